-- The sixteen indexes by their contract names, and one with which an experiment is recounted.

DROP INDEX IF EXISTS
    idx_prompt_templates_active, idx_prompt_templates_ab_test, idx_prompt_templates_version,
    idx_prompt_templates_performance,
    idx_prompt_executions_template, idx_prompt_executions_user, idx_prompt_executions_request,
    idx_prompt_executions_errors, idx_prompt_executions_guardrails,
    idx_prompt_guardrails_active, idx_prompt_guardrails_templates, idx_prompt_guardrails_categories,
    idx_prompt_guardrails_performance,
    idx_ab_test_experiments_active, idx_ab_test_experiments_timeline, idx_ab_test_experiments_stats;

CREATE INDEX idx_prompt_templates_active ON prompt_templates (name, is_active) WHERE is_active;
CREATE INDEX idx_prompt_templates_ab_test ON prompt_templates (name, ab_test_group, traffic_percentage)
    WHERE ab_test_group IS NOT NULL;
CREATE INDEX idx_prompt_templates_version ON prompt_templates (name, version);
CREATE INDEX idx_prompt_templates_performance ON prompt_templates (category, avg_response_time_ms, success_count);

CREATE INDEX idx_prompt_executions_template ON prompt_executions (template_id, status, executed_at);
CREATE INDEX idx_prompt_executions_user ON prompt_executions (user_id, executed_at);
CREATE INDEX idx_prompt_executions_request ON prompt_executions (request_id);
CREATE INDEX idx_prompt_executions_errors ON prompt_executions (template_id, status, error_type)
    WHERE status = 'failure';
CREATE INDEX idx_prompt_executions_guardrails ON prompt_executions (template_id, guardrail_action)
    WHERE guardrail_violations <> '[]';
CREATE INDEX idx_prompt_executions_ab_test ON prompt_executions (template_name, executed_at, ab_test_group)
    WHERE ab_test_group IS NOT NULL;

CREATE INDEX idx_prompt_guardrails_active ON prompt_guardrails (is_active, guardrail_type) WHERE is_active;
CREATE INDEX idx_prompt_guardrails_templates ON prompt_guardrails USING gin (applies_to_templates);
CREATE INDEX idx_prompt_guardrails_categories ON prompt_guardrails USING gin (applies_to_categories);
CREATE INDEX idx_prompt_guardrails_performance ON prompt_guardrails (guardrail_type, violation_count);

CREATE INDEX idx_ab_test_experiments_active ON ab_test_experiments (status, template_name) WHERE status = 'active';
CREATE INDEX idx_ab_test_experiments_timeline ON ab_test_experiments (actual_start_date, actual_end_date);
CREATE INDEX idx_ab_test_experiments_stats
    ON ab_test_experiments (template_name, statistical_significance, winner_variant);
