-- experiments, exercised: arms, assignment, what counts, looks that stay
DO $$
DECLARE
    first uuid;
    second uuid;
    experiment uuid;
    run_name text := 'verify ' || gen_random_uuid();
    halves CONSTANT jsonb := '[[0, 5000, "control"], [5000, 10000, "variant_a"]]';
    refused boolean := false;
BEGIN
    INSERT INTO prompt_templates (name, version, template_text) VALUES (run_name, 1, '-') RETURNING id INTO first;
    INSERT INTO prompt_templates (name, version, template_text) VALUES (run_name, 2, '-') RETURNING id INTO second;
    INSERT INTO ab_test_experiments (name, template_name, status, arms, traffic_allocation, primary_metric,
        actual_start_date)
    VALUES (run_name, run_name, 'active', jsonb_build_object('control', first, 'variant_a', second),
            '{"control": 50, "variant_a": 50}', 'success_rate', now() - interval '1 hour')
    RETURNING id INTO experiment;
    ASSERT (SELECT (control_template_id, variant_template_ids) = (first, ARRAY[second]) FROM ab_test_experiments
            WHERE id = experiment), 'templates do not follow from arms: is trigger_keep_experiment_plan in place?';
    INSERT INTO ab_test_phases (experiment_id, phase, seed, ranges, allocation, restarts, started_at, why, created_by)
    VALUES (experiment, 1, experiment::text, halves, '{"control": 50, "variant_a": 50}', true,
            now() - interval '1 hour', '-', '-');

    INSERT INTO prompt_executions (template_id, template_name, template_version, ab_test_group, input_variables,
        rendered_prompt, status, executed_at, experiment_id, experiment_phase, assignment_unit)
    SELECT CASE arm WHEN 'control' THEN first ELSE second END, run_name, CASE arm WHEN 'control' THEN 1 ELSE 2 END, arm,
           '{}', '-', 'success', now() - interval '1 minute', experiment, 1, unit
    FROM (SELECT unit, assigned_arm(halves, assignment_bucket(experiment::text, unit)) AS arm
          FROM generate_series(1, 50) n, LATERAL (SELECT 'unit ' || n AS unit) u) assigned;
    ASSERT (SELECT (executions, wrong) FROM v_ab_test_audit WHERE experiment_id = experiment) = (50::bigint, 0::bigint),
        'v_ab_test_audit: 50 executions as assigned are found otherwise';
    ASSERT (SELECT (sum(units), sum(total)) FROM v_ab_test_arms
            WHERE experiment_id = experiment AND metric = 'success_rate') = (50::numeric, 50::float8),
        'v_ab_test_arms: 50 units with a success each are counted otherwise';

    INSERT INTO ab_test_looks (experiment_id, looked_at, planned, verdict, reason, units, ratio_p, intervals, numbers)
    VALUES (experiment, now(), false, 'collecting', '-', 50, 1, '{}', '{}');
    BEGIN
        DELETE FROM ab_test_looks WHERE experiment_id = experiment;
    EXCEPTION WHEN SQLSTATE 'PW004' THEN
        refused := true;
    END;
    ASSERT refused, 'a look was deleted: is trigger_refuse_change_of_looks in place?';
END $$;

-- a rollout, exercised: a canary beside production, its steps, and the end that an evaluator may make
DO $$
DECLARE
    canary uuid;
    rollout uuid;
    run_name text := 'verify ' || gen_random_uuid();
    tenth CONSTANT jsonb := '[[0, 1000, "canary"], [1000, 10000, "control"]]';
    half CONSTANT jsonb := '[[0, 5000, "canary"], [5000, 10000, "control"]]';
BEGIN
    INSERT INTO prompt_templates (name, version, template_text, is_active) VALUES (run_name, 1, '-', true);
    INSERT INTO prompt_templates (name, version, template_text) VALUES (run_name, 2, '-') RETURNING id INTO canary;
    PERFORM start_prompt_rollout(t.id, t.content_sha256, '[10, 50, 100]', tenth, 'user', true, false)
    FROM prompt_templates t WHERE t.id = canary;
    SELECT id INTO rollout FROM ab_test_experiments WHERE template_name = run_name AND kind = 'rollout';
    PERFORM step_prompt_rollout(rollout, 1, '50', half);
    ASSERT (SELECT count(*) = 2 AND count(DISTINCT seed) = 1 FROM ab_test_phases WHERE experiment_id = rollout),
        'a rollout has other phases than its steps';
    INSERT INTO ab_test_looks (experiment_id, phase, looked_at, planned, verdict, reason, units, ratio_p, intervals,
        numbers)
    VALUES (rollout, 1, now(), false, 'harmful', 'at its first step', 50, 1, '{}', '{}');
    ASSERT roll_back_prompt_rollout(rollout) IS NULL, 'a rollout is rolled back for what another step did';
    INSERT INTO ab_test_looks (experiment_id, phase, looked_at, planned, verdict, reason, units, ratio_p, intervals,
        numbers)
    VALUES (rollout, 2, now(), false, 'harmful', 'it fails', 50, 1, '{}', '{}');
    ASSERT roll_back_prompt_rollout(rollout) = 'it fails' AND roll_back_prompt_rollout(rollout) IS NULL,
        'a rollout that does harm is not rolled back once';
    ASSERT (SELECT (status, verdict) = ('completed', 'stopped') AND actual_end_date IS NOT NULL
            FROM ab_test_experiments WHERE id = rollout), 'a rollout that was rolled back goes on';
    ASSERT (SELECT action = 'rolled_back' AND reason = 'rolled back automatically: it fails' FROM prompt_history
            WHERE kind = 'rollout' AND subject = run_name ORDER BY id DESC LIMIT 1),
        'the history lacks the rollback: is trigger_record_rollout_status in place?';
END $$;
