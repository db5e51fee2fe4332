-- One batch of executions, columns in the order of worker/prompt_worker/executions/rows.py. Any duplicate fails the whole
-- batch. As a batch it leaves deltas of the statistics, which are folded every second.
SET LOCAL prompt_worker.batch = on;
COPY prompt_executions (
    id, template_id, template_name, template_version, ab_test_group,
    user_id, request_id, session_id, input_variables, rendered_prompt, model_response,
    execution_time_ms, token_count, cost_usd, status, error_message, error_type,
    guardrail_violations, guardrail_action, executed_at, environment,
    model, provider, input_tokens, output_tokens,
    experiment_id, assignment_unit, experiment_phase, prompt_source, selection,
    registry_revision, language, content_sha256, attempt, service
) FROM STDIN (FORMAT binary)
