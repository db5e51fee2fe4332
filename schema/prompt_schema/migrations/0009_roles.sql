-- Roles with what each part needs, instead of what phase 1 granted to PUBLIC. Grant them to the users that log in.

-- Roles belong to the cluster: another of its databases may have made them, or be making them right now.
DO $$
DECLARE
    missing text;
BEGIN
    FOREACH missing IN ARRAY ARRAY['prompt_reader', 'prompt_execution_worker', 'prompt_guardrail_worker',
                                   'prompt_operator']
    LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = missing);
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', missing);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL;
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION 'role % is missing, and % may not create roles', missing, current_user
                    USING ERRCODE = 'insufficient_privilege', HINT = format(
                        'As an administrator run: ALTER ROLE %I CREATEROLE; or: CREATE ROLE prompt_reader NOLOGIN; '
                        'CREATE ROLE prompt_execution_worker NOLOGIN; CREATE ROLE prompt_guardrail_worker NOLOGIN; '
                        'CREATE ROLE prompt_operator NOLOGIN; then migrate again.', current_user);
        END;
    END LOOP;
END $$;

REVOKE ALL ON prompt_templates, prompt_executions, prompt_guardrails, ab_test_experiments, schema_migrations,
    v_template_performance, v_recent_execution_errors, v_guardrail_violations_summary, v_active_ab_tests,
    v_template_recount, v_ab_test_recount
    FROM PUBLIC;

GRANT USAGE ON SCHEMA public
    TO prompt_reader, prompt_execution_worker, prompt_guardrail_worker, prompt_operator;
GRANT SELECT ON schema_migrations
    TO prompt_reader, prompt_execution_worker, prompt_guardrail_worker, prompt_operator;

-- A service that serves prompts, or a person who reads statistics: no execution, so no text and no user id.
GRANT SELECT ON prompt_templates, prompt_guardrails, ab_test_experiments,
    v_template_performance, v_guardrail_violations_summary, v_active_ab_tests
    TO prompt_reader;

-- Adds executions and can neither change nor read them; sees which are there, and how far behind it is. The triggers
-- count with their owner's rights.
GRANT INSERT, SELECT (id, executed_at) ON prompt_executions TO prompt_execution_worker;
GRANT SELECT (id, name, version) ON prompt_templates TO prompt_execution_worker;

GRANT SELECT ON prompt_guardrails TO prompt_guardrail_worker;
GRANT SELECT (id, name, version, category) ON prompt_templates TO prompt_guardrail_worker;

-- Edits prompts, guardrails and experiments, but no counter; wrong ones are rebuilt from the rows.
GRANT SELECT ON prompt_templates, prompt_executions, prompt_guardrails, ab_test_experiments,
    v_template_performance, v_recent_execution_errors, v_guardrail_violations_summary, v_active_ab_tests,
    v_template_recount, v_ab_test_recount
    TO prompt_operator;
GRANT EXECUTE ON FUNCTION rebuild_template_statistics, rebuild_ab_test_statistics TO prompt_operator;

DO $$
DECLARE
    edited record;
BEGIN
    FOR edited IN
        SELECT table_name, string_agg(quote_ident(column_name), ', ') AS columns
        FROM information_schema.columns
        WHERE table_schema = 'public'
          AND table_name IN ('prompt_templates', 'prompt_guardrails', 'ab_test_experiments')
          AND column_name NOT IN (
              'total_executions', 'success_count', 'failure_count', 'avg_response_time_ms', 'avg_token_count',
              'avg_cost_usd', 'execution_time_ms_sum', 'execution_time_ms_count', 'token_count_sum',
              'token_count_count', 'cost_usd_sum', 'cost_usd_count', 'total_checks', 'violation_count',
              'control_executions', 'variant_executions')
        GROUP BY table_name
    LOOP
        EXECUTE format('GRANT INSERT (%1$s), UPDATE (%1$s) ON %2$I TO prompt_operator',
            edited.columns, edited.table_name);
    END LOOP;
END $$;
