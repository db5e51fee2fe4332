-- template statistics, exercised: null values, duplicates, every status
DO $$
DECLARE
    template uuid;
    other uuid;
    untouched xid;
    t prompt_templates;
    run_name text := 'verify ' || gen_random_uuid();
    twice uuid := gen_random_uuid();
    inserted bigint;
BEGIN
    INSERT INTO prompt_templates (name, template_text) VALUES (run_name, '-') RETURNING id INTO template;
    INSERT INTO prompt_templates (name, template_text, version) VALUES (run_name, '-', 2) RETURNING id INTO other;
    SELECT xmin INTO untouched FROM prompt_templates WHERE id = other;

    FOR round IN 1..2 LOOP
        INSERT INTO prompt_executions (id, template_id, template_name, template_version, input_variables,
            rendered_prompt, status, execution_time_ms, token_count, cost_usd)
        VALUES (twice, template, run_name, 1, '{}', '-', 'success', 100, 10, 0.000001),
               (twice, template, run_name, 1, '{}', '-', 'success', 100, 10, 0.000001)
        ON CONFLICT (id) DO NOTHING;
        GET DIAGNOSTICS inserted = ROW_COUNT;
        ASSERT inserted = 2 - round, 'an event id is stored more than once: is the primary key in place?';
    END LOOP;
    INSERT INTO prompt_executions (template_id, template_name, template_version, input_variables, rendered_prompt,
        status, execution_time_ms, token_count, cost_usd)
    VALUES (template, run_name, 1, '{}', '-', 'failure', 201, 11, 0.000002),
           (template, run_name, 1, '{}', '-', 'partial', NULL, NULL, NULL),
           (template, run_name, 1, '{}', '-', 'blocked', NULL, NULL, NULL);

    SELECT * INTO t FROM prompt_templates WHERE id = template;
    ASSERT t.total_executions = 4,
        format('4 executions were counted as %s: is trigger_update_template_statistics the one of the migrations?',
            t.total_executions);
    ASSERT (t.success_count, t.failure_count) = (1, 1), format('1 success and 1 failure were counted as %s and %s',
        t.success_count, t.failure_count);
    ASSERT (t.avg_response_time_ms, t.avg_token_count, t.avg_cost_usd) = (150.5, 11, 0.000002),
        format('averages are %s ms, %s tokens, %s USD instead of 150.5, 11, 0.000002', t.avg_response_time_ms,
            t.avg_token_count, t.avg_cost_usd);
    ASSERT (SELECT p.xmin = untouched FROM prompt_templates p WHERE id = other),
        'a template without executions was touched';

    PERFORM set_config('prompt_worker.batch', 'on', true);
    INSERT INTO prompt_executions (template_id, template_name, template_version, input_variables, rendered_prompt,
        status, execution_time_ms)
    VALUES (template, run_name, 1, '{}', '-', 'success', 299);
    PERFORM set_config('prompt_worker.batch', '', true);
    ASSERT (SELECT total_executions FROM prompt_templates WHERE id = template) = 4,
        'a batch changed the counters of a template, so workers wait for each other';
    ASSERT (SELECT (total_executions, success_count, avg_response_time_ms) FROM v_template_performance
            WHERE id = template) = (5::bigint, 2::bigint, 200::float8),
        'v_template_performance: 4 executions and a batch of 1 are not 5 of 200 ms';
    -- A worker may be folding.
    FOR attempt IN 1..100 LOOP
        EXIT WHEN fold_statistics() > 0;
        PERFORM pg_sleep(0.02);
    END LOOP;
    SELECT * INTO t FROM prompt_templates WHERE id = template;
    ASSERT (t.total_executions, t.success_count, t.avg_response_time_ms) = (5::bigint, 2::bigint, 200::float8),
        format('4 executions and a batch of 1 were folded into %s', t.total_executions);
END $$;
