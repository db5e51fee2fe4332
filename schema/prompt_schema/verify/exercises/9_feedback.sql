-- feedback, exercised: an event once, the last of a source counts, dead letters are resolved and swept
DO $$
DECLARE
    request uuid := gen_random_uuid();
    first uuid := uuid_v7(); -- its dead letter comes after it
    missed uuid := gen_random_uuid();
    refused boolean;
    bad numeric;
    stored bigint;
BEGIN
    FOR round IN 1..2 LOOP
        INSERT INTO prompt_feedback (event_id, request_id, name, source, value, at)
        VALUES (first, request, 'verify', 'user', 1, now()), (uuid_v7(), request, 'verify', 'judge', 0.5, now()),
               (uuid_v7(), request, 'verify', 'user', -1, now() - interval '1 hour')
        ON CONFLICT (event_id) DO NOTHING;
        GET DIAGNOSTICS stored = ROW_COUNT;
        ASSERT stored = 4 - round, 'an event is stored more than once: is the primary key of prompt_feedback in place?';
    END LOOP;
    ASSERT (SELECT array_agg(value ORDER BY source) FROM v_prompt_feedback WHERE request_id = request) = '{0.5,1}',
        'v_prompt_feedback does not have the last value of each source';
    FOREACH bad IN ARRAY ARRAY[1.000001, -1.000001, 'NaN'] LOOP
        refused := false;
        BEGIN
            INSERT INTO prompt_feedback (event_id, request_id, name, source, value, at)
            VALUES (uuid_v7(), request, 'verify', 'user', bad, now());
        EXCEPTION WHEN check_violation THEN
            refused := true;
        END;
        ASSERT refused, format('the value %s is accepted: is the check of prompt_feedback in place?', bad);
    END LOOP;

    INSERT INTO dead_letter_events (consumer, event_key, event_id, source, error_class, reason, cause, payload,
        attributes, occurrences, first_seen, last_seen)
    SELECT 'feedback', e, e, 'worker', '-', '-', 1, '', '{}', '{1}', now(), now()
    FROM unnest(ARRAY[missed, first]) AS e;
    INSERT INTO prompt_feedback (event_id, request_id, name, source, value, at)
    VALUES (missed, request, 'verify', 'user', 0, now());
    ASSERT (SELECT status = 'resolved' FROM dead_letter_events WHERE event_key = missed),
        'a dead letter whose feedback is a row is not resolved: is trigger_resolve_feedback_dead_letters in place?';
    LOOP
        EXIT WHEN (SELECT checked < 10000 FROM sweep_dead_letters(10000));
    END LOOP;
    ASSERT (SELECT status = 'resolved' FROM dead_letter_events WHERE event_key = first),
        'a dead letter whose feedback was a row before is not swept: does sweep_dead_letters() work?';
END $$;
