-- What the database holds, as (kind, name, definition); catalog.json, beside this file, holds what it should.
WITH contract_tables AS (
    SELECT oid, relname, relkind, relacl FROM pg_class
    WHERE relnamespace = 'public'::regnamespace
      AND relname IN ('prompt_templates', 'prompt_executions', 'prompt_guardrails', 'ab_test_experiments',
                      'schema_migrations', 'v_template_performance', 'v_recent_execution_errors',
                      'v_guardrail_violations_summary', 'v_active_ab_tests', 'v_template_recount',
                      'v_ab_test_recount', 'guardrail_evaluations', 'guardrail_violations',
                      'v_guardrail_violations_daily', 'v_guardrail_recount', 'dead_letter_events',
                      'dead_letter_actions', 'dead_letter_outcomes', 'dead_letter_sweep', 'prompt_template_names',
                      'v_execution_errors_hourly', 'v_dead_letters_hourly', 'prompt_template_deltas',
                      'ab_test_deltas', 'guardrail_deltas', 'v_template_statistics', 'v_ab_test_pending',
                      'v_ab_test_statistics', 'v_guardrail_statistics', 'prompt_translations', 'prompt_registry',
                      'prompt_names', 'prompt_labels', 'prompt_history', 'prompt_policies', 'prompt_reviews',
                      'prompt_cases', 'ab_test_phases', 'ab_test_looks', 'v_ab_test_units', 'v_ab_test_arms',
                      'v_ab_test_audit', 'prompt_feedback', 'v_prompt_feedback', 'console_audit')
), roles AS (
    SELECT 0::oid AS oid, 'PUBLIC' AS rolname
    UNION ALL
    SELECT oid, rolname FROM pg_roles
    WHERE rolname IN ('prompt_reader', 'prompt_execution_worker', 'prompt_guardrail_worker', 'prompt_operator',
                      'prompt_dead_letter_worker', 'prompt_viewer', 'prompt_editor', 'prompt_approver',
                      'prompt_text_reader', 'prompt_identity_provider', 'prompt_experiment_worker',
                      'prompt_feedback_worker', 'prompt_case_editor')
)
SELECT 'column' AS kind,
       relname || '.' || attname AS name,
       format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' not null' ELSE '' END
       -- Constants are spelled in many ways; a computed default is the one that matters.
       || coalesce(' default ' || substring(pg_get_expr(adbin, adrelid) FROM '^.*\(.*\)$'), '') AS definition
FROM contract_tables
JOIN pg_attribute ON attrelid = contract_tables.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relkind IN ('r', 'p')
UNION ALL
SELECT 'constraint', relname || ' ' || regexp_replace(pg_get_constraintdef(pg_constraint.oid), ' NOT VALID$', ''),
       CASE WHEN convalidated THEN 'holds for every row' ELSE 'holds for new rows only' END
FROM contract_tables
JOIN pg_constraint ON conrelid = contract_tables.oid AND contype IN ('p', 'u', 'f', 'c')
UNION ALL
SELECT 'index', indexrelid::regclass::text,
       replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') || CASE WHEN indisvalid THEN '' ELSE ' (invalid)' END
FROM contract_tables
JOIN pg_index ON indrelid = contract_tables.oid
WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
UNION ALL
SELECT 'trigger', tgname::text,
       pg_get_triggerdef(pg_trigger.oid) || CASE tgenabled WHEN 'O' THEN '' WHEN 'A' THEN '' ELSE ' (disabled)' END
FROM contract_tables
JOIN pg_trigger ON tgrelid = contract_tables.oid AND NOT tgisinternal
UNION ALL
SELECT 'function', pg_proc.oid::regprocedure::text,
       concat_ws(', ', CASE WHEN prosecdef THEN 'security definer' END, array_to_string(proconfig, ', '),
                 'source ' || md5(prosrc))
FROM pg_proc
WHERE pronamespace = 'public'::regnamespace
  AND proname IN ('uuid_v7', 'update_template_statistics', 'rebuild_template_statistics',
                  'update_ab_test_statistics', 'rebuild_ab_test_statistics', 'lock_ab_test_statistics',
                  'lock_ab_test_rule', 'end_ab_test', 'recount_ab_test', 'lock_template_activation',
                  'share_template_names', 'keep_former_template_name', 'enforce_single_active_template',
                  'lock_guardrail_statistics', 'rebuild_guardrail_statistics',
                  'count_guardrail_evaluations', 'count_guardrail_violations', 'count_false_positives',
                  'resolve_written_dead_letters', 'resolve_dead_letters', 'sweep_dead_letters',
                  'add_template_statistics', 'add_ab_test_statistics', 'add_guardrail_statistics',
                  'count_guardrails', 'defers_statistics', 'fold_statistics', 'lock_rebuild',
                  'lowest_id', 'table_partitions', 'partition_name', 'partition_setup', 'begin_partitions',
                  'finish_partitions', 'refuse_detached',
                  'assignment_bucket', 'assigned_arm', 'are_assignment_ranges', 'keep_experiment_plan',
                  'refuse_overlapping_experiment',
                  'keep_template_of_arm', 'keep_experiment_phase', 'record_experiment_phase',
                  'current_prompt_actor', 'prompt_canonical_number', 'prompt_canonical_json', 'prompt_sha256',
                  'prompt_unix', 'prompt_messages', 'prompt_joined_text', 'prompt_content_sha256',
                  'prompt_translations_of', 'keep_prompt_content', 'keep_translation_content',
                  'hash_translated_prompt', 'begin_prompt_change', 'prompt_history_sha256', 'record_prompt_change',
                  'prompt_difference', 'refuse_change_of_record', 'next_prompt_version', 'number_prompt_version',
                  'stamp_prompt_name', 'record_prompt_name', 'stamp_prompt_label', 'record_prompt_label',
                  'record_translation', 'keep_prompt_registry', 'record_prompt_registry', 'record_owner_change',
                  'prompt_whole_text', 'prompt_includes', 'wrote_prompt', 'prompt_approvals',
                  'prompt_approvals_needed', 'prompt_release', 'prompt_release_of', 'prompt_is_released',
                  'breaks_prompt_glass', 'require_approvals', 'prompt_frozen_because', 'refuse_frozen_prompt',
                  'stamp_prompt_review', 'record_prompt_review', 'record_prompt_policy', 'stamp_prompt_case',
                  'prompt_template_record', 'record_template_change', 'require_prompt_release',
                  'start_prompt_rollout', 'step_prompt_rollout', 'end_prompt_rollout', 'roll_back_prompt_rollout',
                  'rollout_allocation', 'assigned_buckets', 'begin_rollout_step', 'record_rollout_change',
                  'record_rollout_step',
                  'record_rollout_status', 'require_approvals_of_arms', 'mask_json', 'masked_prompt_inputs',
                  'masked_prompt_cases', 'refuse_truncation', 'prompt_served_because', 'prompts_including',
                  'require_approvals_of_rules', 'require_approvals_of_ruled_label', 'stamp_console_audit')
UNION ALL
-- Months come and go: what is compared is that each has what its table has.
SELECT 'partitions', relname, coalesce(string_agg(found.partition || ' lacks ' || found.lacking, ', ' ORDER BY 1),
                                       'each is like its table')
FROM contract_tables
LEFT JOIN LATERAL (
    SELECT p.partition::text, t.tgname::text AS lacking
    FROM pg_inherits, pg_trigger t, LATERAL (SELECT inhrelid::regclass AS partition) p
    WHERE inhparent = contract_tables.oid AND t.tgrelid = contract_tables.oid AND NOT t.tgisinternal
      AND NOT EXISTS (SELECT FROM pg_trigger o WHERE o.tgrelid = inhrelid AND o.tgname = t.tgname
                      AND o.tgfoid = t.tgfoid AND o.tgtype = t.tgtype AND o.tgenabled = t.tgenabled)
    UNION ALL
    SELECT inhrelid::regclass::text, 'trigger_refuse_detached' FROM pg_inherits
    WHERE inhparent = contract_tables.oid
      AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = inhrelid AND tgname = 'trigger_refuse_detached')
    UNION ALL
    SELECT h.inhrelid::regclass::text, x.indexrelid::regclass::text
    FROM pg_inherits h, pg_index x
    WHERE h.inhparent = contract_tables.oid AND x.indrelid = contract_tables.oid
      AND NOT EXISTS (SELECT FROM pg_index o JOIN pg_inherits a ON a.inhrelid = o.indexrelid
                      WHERE o.indrelid = h.inhrelid AND a.inhparent = x.indexrelid)
    UNION ALL
    SELECT inhrelid::regclass::text, format('%s for %s', privilege_type, grantee::regrole)
    FROM pg_inherits, aclexplode(contract_tables.relacl) g
    WHERE inhparent = contract_tables.oid AND privilege_type = 'INSERT' AND grantee IN (SELECT oid FROM roles)
      AND NOT has_table_privilege(grantee, inhrelid, 'INSERT')
    UNION ALL
    SELECT contract_tables.oid::regclass::text, 'a default partition'
    WHERE NOT EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = contract_tables.oid AND partdefid <> 0)
) AS found (partition, lacking) ON true
WHERE relkind = 'p'
GROUP BY relname
UNION ALL
SELECT 'view', relname,
       (SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
        FROM pg_attribute WHERE attrelid = contract_tables.oid AND attnum > 0)
FROM contract_tables
WHERE relkind = 'v'
UNION ALL
SELECT 'grant', rolname || ' on ' || relname, coalesce(
    concat_ws(', ',
        (SELECT string_agg(privilege_type, ', ' ORDER BY privilege_type)
         FROM aclexplode(relacl) WHERE grantee = roles.oid),
        (SELECT string_agg(privilege_type || ' (' || columns || ')', ', ' ORDER BY privilege_type)
         FROM (SELECT privilege_type, string_agg(attname, ', ' ORDER BY attname) AS columns
               FROM pg_attribute CROSS JOIN LATERAL aclexplode(attacl)
               WHERE attrelid = contract_tables.oid AND grantee = roles.oid
               GROUP BY privilege_type) per_privilege)),
    '')
FROM contract_tables CROSS JOIN roles
ORDER BY 1, 2
