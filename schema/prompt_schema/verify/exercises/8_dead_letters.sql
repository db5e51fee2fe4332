-- dead letters, exercised: one an event, resolved by its execution or its evaluation, swept where both were too late
DO $$
DECLARE
    event uuid := gen_random_uuid();
    missed uuid := gen_random_uuid();
    template uuid;
    open_ones integer;
    stored bigint;
BEGIN
    INSERT INTO prompt_templates (name, template_text) VALUES ('verify ' || event, '-') RETURNING id INTO template;
    INSERT INTO prompt_executions (id, template_id, template_name, template_version, input_variables, rendered_prompt, status)
    VALUES (missed, template, '-', 1, '{}', '-', 'success');

    FOR round IN 1..2 LOOP
        INSERT INTO dead_letter_events (consumer, event_key, event_id, source, error_class, reason, cause, payload,
            attributes, occurrences, first_seen, last_seen)
        SELECT consumer, e, e, 'worker', '-', '-', 1, '', '{}', '{1}', now(), now()
        FROM unnest(ARRAY['executions', 'guardrails']) AS consumer, unnest(ARRAY[event, missed]) AS e
        ON CONFLICT (event_key, consumer) WHERE superseded_by IS NULL DO NOTHING;
        GET DIAGNOSTICS stored = ROW_COUNT;
        ASSERT stored = 4 * (2 - round), 'a dead letter is stored more than once: is idx_dead_letter_events_key in place?';
    END LOOP;

    UPDATE dead_letter_events SET status = 'discarded' WHERE event_key = event; -- given up, and then a row after all
    INSERT INTO prompt_executions (id, template_id, template_name, template_version, input_variables, rendered_prompt, status)
    VALUES (event, template, '-', 1, '{}', '-', 'success');
    ASSERT (SELECT status = 'resolved' FROM dead_letter_events WHERE event_key = event AND consumer = 'executions'),
        'a dead letter whose event is a row is not resolved: is trigger_resolve_executed_dead_letters in place?';
    ASSERT (SELECT status = 'discarded' FROM dead_letter_events WHERE event_key = event AND consumer = 'guardrails'),
        'an execution resolved what the guardrail worker could not evaluate';
    INSERT INTO guardrail_evaluations (event_id, guardrail_ids, outcome, detector_version, evaluation_ms)
    VALUES (event, '{}', 'allow', '-', 0);
    ASSERT (SELECT status = 'resolved' FROM dead_letter_events WHERE event_key = event AND consumer = 'guardrails'),
        'a dead letter whose event is evaluated is not resolved: is trigger_resolve_evaluated_dead_letters in place?';

    LOOP
        EXIT WHEN (SELECT checked < 10000 FROM sweep_dead_letters(10000));
    END LOOP;
    SELECT count(*) INTO open_ones FROM dead_letter_events WHERE event_key = missed AND status = 'pending';
    ASSERT open_ones = 1, format('of two dead letters, one of them with a row, %s are pending after a sweep: '
        'does sweep_dead_letters() work?', open_ones);
END $$;
