-- views, read
DO $$
DECLARE
    template uuid;
    run_name text := 'verify ' || gen_random_uuid();
BEGIN
    INSERT INTO prompt_templates (name, template_text) VALUES (run_name, '-') RETURNING id INTO template;
    INSERT INTO ab_test_experiments (name, template_name, status, control_template_id, variant_template_ids,
        traffic_allocation, primary_metric, minimum_sample_size)
    VALUES (run_name, run_name, 'active', template, '{}', '{}', '-', 1);
    INSERT INTO prompt_executions (template_id, template_name, template_version, ab_test_group,
        input_variables, rendered_prompt, status, executed_at)
    VALUES (template, run_name, 1, 'control', '{}', '-', 'success', now()),
           (template, run_name, 1, NULL, '{}', '-', 'failure', now()),
           (template, run_name, 1, NULL, '{}', '-', 'failure', now() - interval '8 days');
    INSERT INTO guardrail_violations (event_id, source, repeated, guardrail_name, template_name, user_id, field, rule,
        executed_at)
    VALUES (template, 'worker', false, run_name, run_name, 'a', 'prompt', 'r', now()),
           (template, 'worker', false, run_name, run_name, 'b', 'response', 'r', now()),
           (template, 'worker', false, run_name, run_name, 'b', 'response', 'r', now() - interval '3 days'),
           (template, 'inline', true, run_name, run_name, 'b', 'guardrail_violations[0]', 'inline', now())
    ON CONFLICT DO NOTHING;
    ASSERT (SELECT success_rate_percentage FROM v_template_performance WHERE id = template) = 33.33,
        'v_template_performance: 1 success of 3 is not 33.33 %';
    ASSERT (SELECT count(*) FROM v_recent_execution_errors WHERE template_name = run_name) = 1,
        'v_recent_execution_errors: not the failures of the last 7 days';
    ASSERT (SELECT (violation_count, affected_users) FROM v_guardrail_violations_summary
            WHERE template_name = run_name) = (2::bigint, 2::bigint),
        'v_guardrail_violations_summary: 2 violations of 2 users, one reported twice, are counted otherwise';
    ASSERT (SELECT sum(violation_count) FROM v_guardrail_violations_daily WHERE guardrail_name = run_name) = 2,
        'v_guardrail_violations_daily: 2 violations are counted otherwise';
    INSERT INTO dead_letter_events (consumer, event_key, source, error_class, reason, cause, payload, attributes,
        occurrences, first_seen, last_seen, times_seen, superseded_by)
    VALUES ('executions', gen_random_uuid(), 'worker', run_name, '-', 1, '', '{}', '{1,2}', now(), now(), 2, NULL),
           ('executions', gen_random_uuid(), 'worker', run_name, '-', 1, '', '{}', '{3}', now(), now(), 1, template);
    ASSERT (SELECT (sum(dead_letters), sum(failures)) FROM v_dead_letters_hourly WHERE error_class = run_name)
        = (1::numeric, 2::numeric), 'v_dead_letters_hourly: one that failed twice, and one superseded, count otherwise';
    ASSERT (SELECT sum(failures) FROM v_execution_errors_hourly WHERE template_name = run_name) = 1,
        'v_execution_errors_hourly: not the failures of the last 7 days';
    ASSERT (SELECT sample_status FROM v_active_ab_tests WHERE name = run_name) = 'sufficient',
        'v_active_ab_tests: an experiment with enough executions is not sufficient';
END $$;
