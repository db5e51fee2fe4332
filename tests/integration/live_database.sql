-- A live database as phase 1 left it, faults and all, with rows.

CREATE FUNCTION live_id(text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT md5($1)::uuid $$;

CREATE TABLE schema_migrations (
    version varchar(255) PRIMARY KEY,
    description text,
    executed_at timestamp DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO schema_migrations (version, description)
VALUES ('enterprise_prompt_system_phase1', 'Prompt templates, executions, guardrails and A/B tests');

CREATE TABLE prompt_templates (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name varchar(255) NOT NULL,
    description text,
    category varchar(100),
    template_text text NOT NULL,
    variables jsonb DEFAULT '[]'::jsonb,
    version integer NOT NULL DEFAULT 1,
    parent_version_id uuid REFERENCES prompt_templates (id) ON DELETE SET NULL,
    is_active boolean DEFAULT false,
    ab_test_group varchar(50),
    traffic_percentage integer DEFAULT 0 CHECK (traffic_percentage >= 0 AND traffic_percentage <= 100),
    ab_test_start_date timestamp,
    ab_test_end_date timestamp,
    total_executions integer DEFAULT 0,
    success_count integer DEFAULT 0,
    failure_count integer DEFAULT 0,
    avg_response_time_ms double precision,
    avg_token_count integer,
    avg_cost_usd numeric(10, 6),
    created_by varchar(255),
    created_at timestamp DEFAULT CURRENT_TIMESTAMP,
    updated_by varchar(255),
    updated_at timestamp DEFAULT CURRENT_TIMESTAMP,
    deactivated_at timestamp,
    deactivated_by varchar(255),
    CONSTRAINT unique_active_template UNIQUE (name, is_active, ab_test_group)
);

CREATE TABLE prompt_executions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    template_id uuid NOT NULL,
    template_name varchar(255) NOT NULL,
    template_version integer NOT NULL,
    ab_test_group varchar(50),
    user_id varchar(255),
    request_id uuid,
    session_id varchar(255),
    input_variables jsonb NOT NULL,
    rendered_prompt text NOT NULL,
    model_response text,
    execution_time_ms integer,
    token_count integer,
    cost_usd numeric(10, 6),
    status varchar(50) NOT NULL,
    error_message text,
    error_type varchar(100),
    guardrail_violations jsonb DEFAULT '[]'::jsonb,
    guardrail_action varchar(50),
    executed_at timestamp DEFAULT CURRENT_TIMESTAMP,
    environment varchar(50),
    CONSTRAINT fk_template FOREIGN KEY (template_id) REFERENCES prompt_templates (id) ON DELETE CASCADE,
    CONSTRAINT known_status CHECK (status IN ('success', 'failure', 'error', 'partial'))
);

CREATE TABLE prompt_guardrails (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name varchar(255) NOT NULL UNIQUE,
    description text,
    guardrail_type varchar(100) NOT NULL,
    is_active boolean DEFAULT true,
    severity varchar(50) NOT NULL,
    action varchar(50) NOT NULL,
    config jsonb NOT NULL,
    applies_to_templates varchar(255)[] DEFAULT ARRAY[]::varchar(255)[],
    applies_to_categories varchar(100)[] DEFAULT ARRAY[]::varchar(100)[],
    total_checks integer DEFAULT 0,
    violation_count integer DEFAULT 0,
    false_positive_count integer DEFAULT 0,
    created_by varchar(255),
    created_at timestamp DEFAULT CURRENT_TIMESTAMP,
    updated_by varchar(255),
    updated_at timestamp DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE ab_test_experiments (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name varchar(255) NOT NULL UNIQUE,
    description text,
    template_name varchar(255) NOT NULL,
    status varchar(50) NOT NULL,
    control_template_id uuid NOT NULL REFERENCES prompt_templates (id) ON DELETE RESTRICT,
    variant_template_ids uuid[] NOT NULL,
    traffic_allocation jsonb NOT NULL,
    primary_metric varchar(100) NOT NULL,
    target_improvement_percentage double precision,
    minimum_sample_size integer DEFAULT 1000,
    total_executions integer DEFAULT 0,
    control_executions integer DEFAULT 0,
    variant_executions jsonb DEFAULT '{}'::jsonb,
    control_metric_value double precision,
    variant_metric_values jsonb DEFAULT '{}'::jsonb,
    statistical_significance double precision,
    confidence_level double precision DEFAULT 0.95,
    winner_variant varchar(50),
    winner_declared_at timestamp,
    winner_declared_by varchar(255),
    scheduled_start_date timestamp,
    actual_start_date timestamp,
    scheduled_end_date timestamp,
    actual_end_date timestamp,
    created_by varchar(255),
    created_at timestamp DEFAULT CURRENT_TIMESTAMP,
    updated_by varchar(255),
    updated_at timestamp DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX idx_prompt_templates_active ON prompt_templates (name, is_active) WHERE is_active = true;
CREATE INDEX idx_prompt_templates_ab_test ON prompt_templates (name, ab_test_group, traffic_percentage)
    WHERE ab_test_group IS NOT NULL;
CREATE INDEX idx_prompt_templates_version ON prompt_templates (name, version DESC);
CREATE INDEX idx_prompt_templates_performance ON prompt_templates (category, avg_response_time_ms, success_count);
CREATE INDEX idx_prompt_executions_template ON prompt_executions (template_id, status, executed_at DESC);
CREATE INDEX idx_prompt_executions_user ON prompt_executions (user_id, executed_at DESC);
CREATE INDEX idx_prompt_executions_request ON prompt_executions (request_id);
CREATE INDEX idx_prompt_executions_errors ON prompt_executions (template_id, status, error_type)
    WHERE status IN ('failure', 'error');
CREATE INDEX idx_prompt_executions_guardrails ON prompt_executions (template_id, guardrail_action)
    WHERE jsonb_array_length(guardrail_violations) > 0;
CREATE INDEX idx_prompt_guardrails_active ON prompt_guardrails (is_active, guardrail_type);
CREATE INDEX idx_prompt_guardrails_templates ON prompt_guardrails USING gin (applies_to_templates);
CREATE INDEX idx_prompt_guardrails_categories ON prompt_guardrails USING gin (applies_to_categories);
CREATE INDEX idx_prompt_guardrails_performance ON prompt_guardrails (guardrail_type, violation_count);
CREATE INDEX idx_ab_test_experiments_active ON ab_test_experiments (status, template_name) WHERE status = 'active';
CREATE INDEX idx_ab_test_experiments_timeline ON ab_test_experiments (actual_start_date, actual_end_date);
CREATE INDEX idx_ab_test_experiments_stats
    ON ab_test_experiments (template_name, statistical_significance, winner_variant);

-- A missing value counts as 0, the token average is rounded each time, `error` is no failure.
CREATE FUNCTION update_template_statistics() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE prompt_templates
    SET total_executions = total_executions + 1,
        success_count = success_count + (NEW.status = 'success')::integer,
        failure_count = failure_count + (NEW.status = 'failure')::integer,
        avg_response_time_ms = (coalesce(avg_response_time_ms, 0) * total_executions
            + coalesce(NEW.execution_time_ms, 0)) / (total_executions + 1),
        avg_token_count = (coalesce(avg_token_count, 0) * total_executions
            + coalesce(NEW.token_count, 0)) / (total_executions + 1),
        avg_cost_usd = (coalesce(avg_cost_usd, 0) * total_executions
            + coalesce(NEW.cost_usd, 0)) / (total_executions + 1),
        updated_at = CURRENT_TIMESTAMP
    WHERE id = NEW.template_id;
    RETURN NEW;
END $$;
CREATE TRIGGER trigger_update_template_statistics AFTER INSERT ON prompt_executions
    FOR EACH ROW EXECUTE FUNCTION update_template_statistics();

CREATE FUNCTION count_ab_test() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.ab_test_group IS NOT NULL THEN
        UPDATE ab_test_experiments
        SET total_executions = total_executions + 1,
            control_executions = control_executions + (NEW.ab_test_group = 'control')::integer,
            variant_executions = CASE WHEN NEW.ab_test_group = 'control' THEN variant_executions
                ELSE jsonb_set(variant_executions, ARRAY[NEW.ab_test_group::text],
                    to_jsonb(coalesce((variant_executions ->> NEW.ab_test_group)::integer, 0) + 1)) END
        WHERE template_name = NEW.template_name AND status = 'active';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER trigger_update_ab_test_statistics AFTER INSERT ON prompt_executions
    FOR EACH ROW EXECUTE FUNCTION count_ab_test();

CREATE FUNCTION one_active_template() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.is_active AND NEW.ab_test_group IS NULL THEN
        UPDATE prompt_templates SET is_active = false, deactivated_at = CURRENT_TIMESTAMP
        WHERE name = NEW.name AND id <> NEW.id AND is_active AND ab_test_group IS NULL;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER trigger_enforce_single_active_template BEFORE INSERT OR UPDATE ON prompt_templates
    FOR EACH ROW EXECUTE FUNCTION one_active_template();

CREATE VIEW v_template_performance AS
SELECT id, name, category, version, is_active, ab_test_group, total_executions, success_count, failure_count,
       CASE WHEN total_executions > 0 THEN round(success_count::numeric / total_executions * 100, 2) ELSE 0 END
           AS success_rate_percentage,
       avg_response_time_ms, avg_token_count, avg_cost_usd, created_at, updated_at
FROM prompt_templates ORDER BY total_executions DESC;
CREATE VIEW v_recent_execution_errors AS
SELECT id, template_name, template_version, error_type, error_message, executed_at, user_id, request_id
FROM prompt_executions WHERE status IN ('failure', 'error') ORDER BY executed_at DESC LIMIT 100;
CREATE VIEW v_guardrail_violations_summary AS
SELECT e.template_name, v ->> 'guardrail_name' AS guardrail_name, v ->> 'guardrail_type' AS guardrail_type,
       count(*) AS violation_count, count(DISTINCT e.user_id) AS affected_users, max(e.executed_at) AS last_violation
FROM prompt_executions e, jsonb_array_elements(e.guardrail_violations) v
GROUP BY 1, 2, 3;
CREATE VIEW v_active_ab_tests AS
SELECT id, name, template_name, status, total_executions, control_executions, variant_executions, primary_metric,
       control_metric_value, variant_metric_values, statistical_significance, winner_variant, actual_start_date,
       scheduled_end_date,
       CASE WHEN total_executions >= minimum_sample_size THEN 'sufficient' ELSE 'collecting' END AS sample_status
FROM ab_test_experiments WHERE status = 'active';

GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO PUBLIC;

-- The seeds of phase 1, some edited by their owners since.
INSERT INTO prompt_templates (id, name, category, template_text, version, is_active, created_by, updated_by)
VALUES
    (live_id('nlu 1'), 'nlu_topic_extraction', 'nlu', 'Topics of {{ student_query }}, as its owner likes it',
     1, false, 'system', 'owner@example.org'),
    (live_id('nlu 2'), 'nlu_topic_extraction', 'nlu', 'Better: {{ student_query }}',
     2, true, 'owner@example.org', NULL),
    (live_id('clarify 1'), 'clarification_question_generation', 'clarification', 'Ask about {{ student_query }}',
     1, true, 'system', NULL),
    (live_id('script 1'), 'educational_script_generation', 'script_generation', 'Script on {{ topics }}',
     1, true, 'system', NULL),
    (live_id('variant a'), 'educational_script_generation', 'script_generation', 'Lively script on {{ topics }}',
     2, false, 'owner@example.org', NULL),
    (live_id('unused 1'), 'unused', NULL, 'Nobody runs this', 1, false, 'owner@example.org', NULL);
UPDATE prompt_templates SET ab_test_group = 'variant_a', traffic_percentage = 50, is_active = true
WHERE id = live_id('variant a');
INSERT INTO prompt_guardrails (name, guardrail_type, severity, action, config, created_by, updated_by)
VALUES
    ('pii_detection_basic', 'pii_detection', 'high', 'warn',
     '{"patterns": ["\\d{3}-\\d{2}-\\d{4}"], "entity_types": ["SSN"], "redaction_mode": "block_request"}',
     'system', NULL),
    ('toxic_content_filter', 'toxic_content', 'medium', 'log',
     '{"toxicity_threshold": 0.9, "categories": ["violence"], "allow_educational_context": true}',
     'system', 'owner@example.org');
INSERT INTO ab_test_experiments (id, name, template_name, status, control_template_id, variant_template_ids,
    traffic_allocation, primary_metric, actual_start_date, actual_end_date, updated_at)
VALUES
    (live_id('running'), 'running', 'educational_script_generation', 'active', live_id('script 1'),
     ARRAY[live_id('variant a')], '{"control": 50, "variant_a": 50}', 'success_rate',
     now() AT TIME ZONE 'UTC' - interval '3 days', NULL, now() AT TIME ZONE 'UTC'),
    (live_id('ended'), 'ended', 'educational_script_generation', 'completed', live_id('script 1'),
     ARRAY[live_id('variant a')], '{"control": 50, "variant_a": 50}', 'success_rate',
     now() AT TIME ZONE 'UTC' - interval '9 days', NULL, now() AT TIME ZONE 'UTC' - interval '5 days');

-- 2,000 executions drift through the row triggers; 8,000 were restored from a backup while the triggers were off.
CREATE FUNCTION live_executions(first integer, last integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO prompt_executions (template_id, template_name, template_version, ab_test_group, user_id, request_id,
        input_variables, rendered_prompt, model_response, execution_time_ms, token_count, cost_usd, status, error_type,
        guardrail_violations, guardrail_action, executed_at, environment)
    SELECT t.id, t.name, t.version,
           CASE WHEN t.name = 'educational_script_generation' THEN coalesce(t.ab_test_group, 'control') END,
           'user-' || n % 100, gen_random_uuid(), '{"student_query": "why is the sky blue?"}', 'prompt ' || n,
           CASE WHEN n % 10 < 7 THEN 'answer ' || n END,
           CASE WHEN n % 3 <> 0 THEN 100 + n % 900 END,
           CASE WHEN n % 4 <> 0 THEN 50 + n % 333 END,
           CASE WHEN n % 5 <> 0 THEN 0.000001 * (n % 7919) END,
           (ARRAY['success', 'success', 'success', 'success', 'success', 'success', 'success', 'failure', 'error',
                  'partial'])[1 + n % 10],
           CASE WHEN n % 10 IN (7, 8) THEN 'Timeout' END,
           CASE WHEN n % 50 = 0 THEN '[{"guardrail_name": "pii_detection_basic", "guardrail_type": "pii_detection"}]'::jsonb
                WHEN n % 75 = 0 THEN NULL ELSE '[]'::jsonb END,
           CASE WHEN n % 50 = 0 THEN 'warn' END,
           now() AT TIME ZONE 'UTC' - n % 240 * interval '1 hour' - interval '1 minute',
           'production'
    FROM generate_series(first, last) n
    JOIN (SELECT *, row_number() OVER (ORDER BY name, version) AS nth FROM prompt_templates WHERE name <> 'unused') t
        ON t.nth = 1 + n % 5;
$$;
SELECT live_executions(1, 2000);
ALTER TABLE prompt_executions DISABLE TRIGGER USER;
SELECT live_executions(2001, 10000);
ALTER TABLE prompt_executions ENABLE TRIGGER USER;

-- Two activations at once, each blind to the other: both won. Such a row can only be made with the trigger off.
ALTER TABLE prompt_templates DISABLE TRIGGER trigger_enforce_single_active_template;
INSERT INTO prompt_templates (id, name, template_text, version, is_active, created_by)
VALUES (live_id('twice 1'), 'activated_twice', 'one', 1, true, 'owner@example.org'),
       (live_id('twice 2'), 'activated_twice', 'two', 2, true, 'owner@example.org');
ALTER TABLE prompt_templates ENABLE TRIGGER trigger_enforce_single_active_template;

DROP FUNCTION live_id, live_executions;
