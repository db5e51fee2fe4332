-- All that an evaluator does, without doing any of it: refused where a right or a migration is missing.
WITH looks AS (
    INSERT INTO ab_test_looks (experiment_id, phase, looked_at, planned, verdict, reason, units, p_value, ratio_p,
                               intervals, numbers)
    SELECT experiment_id, phase, looked_at, planned, verdict, reason, units, p_value, ratio_p, intervals, numbers
    FROM ab_test_looks WHERE false
), verdicts AS (
    UPDATE ab_test_experiments SET verdict = verdict, verdict_reason = verdict_reason, looked_at = looked_at WHERE false
)
SELECT template_id, template_name, ab_test_group, request_id, execution_time_ms, token_count, cost_usd, status,
       guardrail_action, executed_at, environment, experiment_id, experiment_phase, assignment_unit, prompt_source, attempt,
       f.name, f.source, f.value, f.at, f.event_id, f.about, roll_back_prompt_rollout(NULL)
FROM prompt_executions
CROSS JOIN (SELECT request_id AS about, name, source, value, at, event_id FROM prompt_feedback) f
WHERE false
