-- Functions with their owner's rights see pg_catalog alone: nobody can put an operator, function or table before ours.

-- Former names and versions of templates that a takeover renumbered: events and rows that name them still resolve.
CREATE TABLE IF NOT EXISTS prompt_template_names (
    template_id uuid NOT NULL,
    name varchar(255) NOT NULL,
    version integer NOT NULL,
    until timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, version, template_id)
);
REVOKE ALL ON prompt_template_names FROM PUBLIC;
GRANT SELECT ON prompt_template_names
    TO prompt_reader, prompt_execution_worker, prompt_guardrail_worker, prompt_operator;

-- With `public` in its path a function takes the operator that fits its types best, whoever made it: one for two
-- varchar goes before pg_catalog's for two texts. So each body names the schema of what it uses, and the path is closed.
DO $$
DECLARE
    ours record;
    of_public constant text :=
        '(?<![.\w])(prompt_templates|prompt_executions|prompt_guardrails|ab_test_experiments|guardrail_evaluations'
        '|guardrail_violations|dead_letter_events|dead_letter_sweep|v_template_recount|v_ab_test_recount'
        '|v_guardrail_recount|lock_ab_test_statistics|lock_guardrail_statistics|rebuild_ab_test_statistics)\M';
BEGIN
    FOR ours IN
        SELECT oid::regprocedure AS signature, pg_get_functiondef(oid) AS definition
        FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace
          AND proname IN ('uuid_v7', 'update_template_statistics', 'rebuild_template_statistics',
                          'update_ab_test_statistics', 'rebuild_ab_test_statistics', 'lock_ab_test_statistics',
                          'lock_ab_test_rule', 'end_ab_test', 'recount_ab_test', 'lock_template_activation',
                          'enforce_single_active_template', 'lock_guardrail_statistics',
                          'rebuild_guardrail_statistics', 'count_guardrail_evaluations',
                          'count_guardrail_violations', 'count_false_positives', 'resolve_written_dead_letters',
                          'resolve_dead_letters')
    LOOP
        EXECUTE regexp_replace(ours.definition, of_public, 'public.\1', 'g');
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, pg_temp', ours.signature);
    END LOOP;
END $$;

-- In a database that comes from PostgreSQL 14 or earlier everybody may create in schema public.
DO $$
BEGIN
    IF pg_has_role((SELECT nspowner FROM pg_namespace WHERE nspname = 'public'), 'USAGE') THEN
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    ELSIF has_schema_privilege('public', 'public', 'CREATE') THEN
        RAISE WARNING 'everybody may create in schema public: as an administrator run REVOKE CREATE ON SCHEMA public FROM PUBLIC';
    END IF;
END $$;
