-- Time stamps get their time zone (they hold UTC); the views are made anew over them.

-- Phase 1's triggers must not fire while its tables are mended; 0004 to 0006 put new ones behind the same names.
DO $$
DECLARE old record;
BEGIN
    FOR old IN
        SELECT tgname, tgrelid::regclass AS on_table, tgfoid::regprocedure AS function
        FROM pg_trigger
        WHERE tgrelid IN ('prompt_templates'::regclass, 'prompt_executions'::regclass)
          AND tgname IN ('trigger_update_template_statistics', 'trigger_update_ab_test_statistics',
                         'trigger_enforce_single_active_template')
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', old.tgname, old.on_table);
        BEGIN
            EXECUTE format('DROP FUNCTION %s', old.function);
        EXCEPTION WHEN dependent_objects_still_exist THEN
            NULL; -- somebody else's trigger uses it too
        END;
    END LOOP;
END $$;

-- What the views were granted to other programs outlives them.
SELECT set_config('prompt_worker.view_grants', coalesce(string_agg(
    format('GRANT %s ON %I TO %s', privilege_type, relname, grantee::regrole), ';'), ''), true)
FROM pg_class CROSS JOIN LATERAL aclexplode(relacl)
WHERE relnamespace = 'public'::regnamespace
  AND relname IN ('v_template_performance', 'v_recent_execution_errors', 'v_guardrail_violations_summary',
                  'v_active_ab_tests')
  AND grantee NOT IN (0, relowner);

DROP VIEW IF EXISTS v_template_performance, v_recent_execution_errors, v_guardrail_violations_summary,
    v_active_ab_tests;

-- With UTC as the session's time zone PostgreSQL changes the type without rewriting the table; a USING would rewrite it.
SET LOCAL TimeZone = 'UTC';
DO $$
DECLARE changed record;
BEGIN
    FOR changed IN
        SELECT table_name, string_agg(format(
            'ALTER COLUMN %1$I DROP DEFAULT, ALTER COLUMN %1$I TYPE timestamptz', column_name), ', ') AS columns
        FROM information_schema.columns
        WHERE table_schema = 'public' AND data_type = 'timestamp without time zone'
          AND table_name IN ('prompt_templates', 'prompt_executions', 'prompt_guardrails',
                             'ab_test_experiments', 'schema_migrations')
        GROUP BY table_name
    LOOP
        EXECUTE format('ALTER TABLE %I %s', changed.table_name, changed.columns);
    END LOOP;
END $$;

ALTER TABLE prompt_templates ALTER created_at SET DEFAULT now(), ALTER updated_at SET DEFAULT now();
ALTER TABLE prompt_executions ALTER executed_at SET DEFAULT now();
ALTER TABLE prompt_guardrails ALTER created_at SET DEFAULT now(), ALTER updated_at SET DEFAULT now();
ALTER TABLE ab_test_experiments ALTER created_at SET DEFAULT now(), ALTER updated_at SET DEFAULT now();
ALTER TABLE schema_migrations ALTER executed_at SET DEFAULT now();

CREATE VIEW v_template_performance AS
SELECT id, name, category, version, is_active, ab_test_group, total_executions, success_count, failure_count,
       coalesce(round(100.0 * success_count / nullif(total_executions, 0), 2), 0) AS success_rate_percentage,
       avg_response_time_ms, avg_token_count, avg_cost_usd, created_at, updated_at
FROM prompt_templates;

CREATE VIEW v_recent_execution_errors AS
SELECT id, template_name, template_version, error_type, error_message, executed_at, user_id, request_id
FROM prompt_executions
WHERE status = 'failure' AND executed_at >= now() - interval '7 days'
ORDER BY executed_at DESC;

-- Elements are objects; a bare string is taken for the guardrail's name, anything else for an unknown guardrail.
CREATE VIEW v_guardrail_violations_summary AS
SELECT e.template_name,
       coalesce(v ->> 'guardrail_name', CASE jsonb_typeof(v) WHEN 'string' THEN v #>> '{}' END, 'unknown')
           AS guardrail_name,
       v ->> 'guardrail_type' AS guardrail_type,
       count(*) AS violation_count,
       count(DISTINCT e.user_id) AS affected_users,
       max(e.executed_at) AS last_violation
FROM prompt_executions e
CROSS JOIN LATERAL jsonb_array_elements(
    CASE jsonb_typeof(e.guardrail_violations) WHEN 'array' THEN e.guardrail_violations ELSE '[]' END) v
WHERE e.guardrail_violations <> '[]'
GROUP BY 1, 2, 3;

CREATE VIEW v_active_ab_tests AS
SELECT id, name, template_name, status, total_executions, control_executions, variant_executions, primary_metric,
       control_metric_value, variant_metric_values, statistical_significance, winner_variant, actual_start_date,
       scheduled_end_date,
       CASE WHEN total_executions >= minimum_sample_size THEN 'sufficient' ELSE 'collecting' END AS sample_status
FROM ab_test_experiments
WHERE status = 'active';

DO $$ BEGIN EXECUTE current_setting('prompt_worker.view_grants'); END $$;
