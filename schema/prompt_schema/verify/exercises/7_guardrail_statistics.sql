-- guardrail statistics, exercised: checks, violations, redelivery, false positives
DO $$
DECLARE
    guardrail uuid;
    other uuid;
    untouched xid;
    g prompt_guardrails;
    run_name text := 'verify ' || gen_random_uuid();
    event uuid := gen_random_uuid();
    inserted bigint;
BEGIN
    INSERT INTO prompt_guardrails (name, guardrail_type, severity, action, config)
    VALUES (run_name, 'content_policy', 'low', 'log', '{}') RETURNING id INTO guardrail;
    INSERT INTO prompt_guardrails (name, guardrail_type, severity, action, config)
    VALUES (run_name || ' 2', 'content_policy', 'low', 'log', '{}') RETURNING id INTO other;
    SELECT xmin INTO untouched FROM prompt_guardrails WHERE id = other;

    FOR round IN 1..2 LOOP
        INSERT INTO guardrail_evaluations (event_id, guardrail_ids, outcome, detector_version, evaluation_ms)
        VALUES (event, ARRAY[guardrail, gen_random_uuid()], 'allow', '-', 0)
        ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS inserted = ROW_COUNT;
        ASSERT inserted = 2 - round, 'an event is evaluated more than once: is the primary key in place?';
        INSERT INTO guardrail_violations (event_id, source, repeated, guardrail_id, guardrail_name, field, rule,
            span_start, span_end, executed_at)
        VALUES (event, 'worker', false, guardrail, run_name, 'prompt', 'r', 0, 1, now()),
               (event, 'worker', false, guardrail, run_name, 'prompt', 'r', 1, 2, now()),
               (event, 'inline', false, guardrail, run_name, 'guardrail_violations[0]', 'inline', NULL, NULL, now()),
               (event, 'inline', true, guardrail, run_name, 'guardrail_violations[1]', 'inline', NULL, NULL, now())
        ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS inserted = ROW_COUNT;
        ASSERT inserted = 4 * (2 - round), 'a violation is stored more than once: is its unique key in place?';
    END LOOP;
    UPDATE guardrail_violations SET false_positive_by = 'verify', false_positive_at = now()
    WHERE event_id = event AND span_start = 0;

    SELECT * INTO g FROM prompt_guardrails WHERE id = guardrail;
    ASSERT g.total_checks = 1, format('1 check was counted as %s: is trigger_count_guardrail_evaluations in place?',
        g.total_checks);
    ASSERT g.violation_count = 3, format('3 violations, one reported twice, were counted as %s: '
        'is trigger_count_guardrail_violations in place?', g.violation_count);
    ASSERT g.false_positive_count = 1, format('1 false positive was counted as %s: '
        'is trigger_count_false_positives in place?', g.false_positive_count);
    UPDATE guardrail_violations SET false_positive_by = NULL, false_positive_at = NULL WHERE event_id = event;
    SELECT * INTO g FROM prompt_guardrails WHERE id = guardrail;
    ASSERT g.false_positive_count = 0, 'a false positive that was taken back is counted still';
    ASSERT (SELECT p.xmin = untouched FROM prompt_guardrails p WHERE id = other),
        'a guardrail that was not checked was touched';

    PERFORM set_config('prompt_worker.batch', 'on', true);
    INSERT INTO guardrail_evaluations (event_id, guardrail_ids, outcome, detector_version, evaluation_ms)
    VALUES (gen_random_uuid(), ARRAY[other], 'allow', '-', 0);
    PERFORM set_config('prompt_worker.batch', '', true);
    ASSERT (SELECT total_checks FROM v_guardrail_statistics WHERE id = other) = 1,
        'v_guardrail_statistics: a batch of 1 check is counted otherwise';
END $$;
