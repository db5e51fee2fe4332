-- As 0004_indexes.sql, for a database in use: those of prompt_executions are built beside writers, right ones are kept.
-- outside a transaction

-- indexes of the short tables (locks each of these for a moment)
DO $$
BEGIN
    DROP INDEX IF EXISTS
        public.idx_prompt_templates_active, public.idx_prompt_templates_ab_test, public.idx_prompt_templates_version,
        public.idx_prompt_templates_performance, public.idx_prompt_guardrails_active,
        public.idx_prompt_guardrails_templates, public.idx_prompt_guardrails_categories,
        public.idx_prompt_guardrails_performance, public.idx_ab_test_experiments_active,
        public.idx_ab_test_experiments_timeline, public.idx_ab_test_experiments_stats;
    CREATE INDEX idx_prompt_templates_active ON public.prompt_templates (name, is_active)
        WHERE is_active;
    CREATE INDEX idx_prompt_templates_ab_test ON public.prompt_templates (name, ab_test_group, traffic_percentage)
        WHERE ab_test_group IS NOT NULL;
    CREATE INDEX idx_prompt_templates_version ON public.prompt_templates (name, version);
    CREATE INDEX idx_prompt_templates_performance
        ON public.prompt_templates (category, avg_response_time_ms, success_count);
    CREATE INDEX idx_prompt_guardrails_active ON public.prompt_guardrails (is_active, guardrail_type)
        WHERE is_active;
    CREATE INDEX idx_prompt_guardrails_templates
        ON public.prompt_guardrails USING gin (applies_to_templates);
    CREATE INDEX idx_prompt_guardrails_categories
        ON public.prompt_guardrails USING gin (applies_to_categories);
    CREATE INDEX idx_prompt_guardrails_performance
        ON public.prompt_guardrails (guardrail_type, violation_count);
    CREATE INDEX idx_ab_test_experiments_active ON public.ab_test_experiments (status, template_name)
        WHERE status = 'active';
    CREATE INDEX idx_ab_test_experiments_timeline
        ON public.ab_test_experiments (actual_start_date, actual_end_date);
    CREATE INDEX idx_ab_test_experiments_stats
        ON public.ab_test_experiments (template_name, statistical_significance, winner_variant);
END $$;

-- indexes of prompt_executions that differ go (locks it for a moment)
DO $$
DECLARE different record;
BEGIN
    FOR different IN
        SELECT c.oid::regclass AS index FROM (VALUES
            ('idx_prompt_executions_template', '(template_id, status, executed_at)'),
            ('idx_prompt_executions_user', '(user_id, executed_at)'),
            ('idx_prompt_executions_request', '(request_id)'),
            ('idx_prompt_executions_errors', $q$(template_id, status, error_type) WHERE ((status)::text = 'failure'::text)$q$),
            ('idx_prompt_executions_guardrails',
             $q$(template_id, guardrail_action) WHERE (guardrail_violations <> '[]'::jsonb)$q$),
            ('idx_prompt_executions_ab_test',
             '(template_name, executed_at, ab_test_group) WHERE (ab_test_group IS NOT NULL)')
        ) AS right_one (name, definition)
        JOIN pg_class c ON c.relname = right_one.name AND c.relnamespace = 'public'::regnamespace
        WHERE pg_get_indexdef(c.oid) <> format(
            'CREATE INDEX %s ON public.prompt_executions USING btree %s', right_one.name, right_one.definition)
    LOOP
        EXECUTE format('DROP INDEX %s', different.index);
    END LOOP;
END $$;

-- the index idx_prompt_executions_template (no writer waits)
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_prompt_executions_template
    ON public.prompt_executions (template_id, status, executed_at);
-- the index idx_prompt_executions_user (no writer waits)
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_prompt_executions_user
    ON public.prompt_executions (user_id, executed_at);
-- the index idx_prompt_executions_request (no writer waits)
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_prompt_executions_request
    ON public.prompt_executions (request_id);
-- the index idx_prompt_executions_errors (no writer waits)
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_prompt_executions_errors
    ON public.prompt_executions (template_id, status, error_type) WHERE status = 'failure';
-- the index idx_prompt_executions_guardrails (no writer waits)
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_prompt_executions_guardrails
    ON public.prompt_executions (template_id, guardrail_action) WHERE guardrail_violations <> '[]';
-- the index idx_prompt_executions_ab_test (no writer waits)
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_prompt_executions_ab_test
    ON public.prompt_executions (template_name, executed_at, ab_test_group) WHERE ab_test_group IS NOT NULL;
