-- What the login may do, in the order of rights.py. Asked of tables and columns: their owner has no role.
SELECT current_user::text,
       has_table_privilege('prompt_templates', 'SELECT') AND has_column_privilege('prompt_history', 'id', 'SELECT'),
       has_column_privilege('prompt_reviews', 'verdict', 'INSERT'),
       has_column_privilege('prompt_templates', 'is_active', 'UPDATE'),
       has_column_privilege('prompt_labels', 'template_id', 'UPDATE'),
       has_column_privilege('prompt_names', 'blocked_reason', 'UPDATE'),
       has_column_privilege('prompt_executions', 'status', 'SELECT'),
       has_column_privilege('prompt_executions', 'cost_usd', 'SELECT')
           AND has_column_privilege('prompt_executions', 'user_id', 'SELECT'),
       has_column_privilege('prompt_executions', 'rendered_prompt', 'SELECT')
           AND has_column_privilege('console_audit', 'subject', 'INSERT'),
       has_table_privilege('dead_letter_events', 'SELECT'),
       has_table_privilege('dead_letter_events', 'UPDATE'),
       has_table_privilege('guardrail_violations', 'SELECT'),
       has_column_privilege('guardrail_violations', 'false_positive_by', 'UPDATE'),
       has_table_privilege('ab_test_looks', 'SELECT') AND has_table_privilege('ab_test_experiments', 'SELECT'),
       has_table_privilege('console_audit', 'SELECT')
