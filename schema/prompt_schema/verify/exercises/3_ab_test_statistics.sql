-- A/B statistics, exercised: groups, dates, late rows, a change of status
DO $$
DECLARE
    template uuid;
    experiment uuid;
    e ab_test_experiments;
    run_name text := 'verify ' || gen_random_uuid();
BEGIN
    INSERT INTO prompt_templates (name, template_text) VALUES (run_name, '-') RETURNING id INTO template;
    INSERT INTO ab_test_experiments (name, template_name, status, control_template_id, variant_template_ids,
        traffic_allocation, primary_metric, actual_start_date)
    VALUES (run_name, run_name, 'active', template, '{}', '{}', '-', now() - interval '1 hour')
    RETURNING id INTO experiment;

    INSERT INTO prompt_executions (template_id, template_name, template_version, ab_test_group, input_variables,
        rendered_prompt, status, executed_at)
    SELECT template, run_name, 1, ab_test_group, '{}', '-', 'success', now() - age
    FROM (VALUES ('control', interval '1 minute'), ('variant_a', '1 minute'), ('variant_a', '2 minutes'),
                 ('variant_a', '2 hours'), (NULL, '1 minute')) AS execution (ab_test_group, age);
    SELECT * INTO e FROM ab_test_experiments WHERE id = experiment;
    ASSERT (e.total_executions, e.control_executions, e.variant_executions) = (3, 1, '{"variant_a": 2}'::jsonb),
        format('3 executions, 1 of control, were counted as %s, %s, %s: is trigger_update_ab_test_statistics in place?',
            e.total_executions, e.control_executions, e.variant_executions);

    PERFORM set_config('prompt_worker.batch', 'on', true);
    INSERT INTO prompt_executions (template_id, template_name, template_version, ab_test_group, input_variables,
        rendered_prompt, status, executed_at)
    VALUES (template, run_name, 1, 'variant_b', '{}', '-', 'success', now() - interval '1 minute');
    PERFORM set_config('prompt_worker.batch', '', true);
    ASSERT (SELECT (total_executions, control_executions, variant_executions) FROM v_active_ab_tests
            WHERE id = experiment) = (4::bigint, 1::bigint, '{"variant_a": 2, "variant_b": 1}'::jsonb),
        'v_active_ab_tests: 3 executions and a batch of 1 are counted otherwise';

    UPDATE ab_test_experiments SET status = 'completed' WHERE id = experiment RETURNING * INTO e;
    ASSERT e.actual_end_date IS NOT NULL, 'an experiment ended without a date: is trigger_end_ab_test in place?';
    UPDATE ab_test_experiments SET actual_end_date = now() - interval '90 seconds' WHERE id = experiment;
    SELECT * INTO e FROM ab_test_experiments WHERE id = experiment;
    ASSERT (e.total_executions, e.control_executions, e.variant_executions)
            = (1, 0, '{"variant_a": 1, "variant_b": 0}'::jsonb),
        'new dates did not recount an experiment: is trigger_recount_ab_test in place?';
END $$;
