-- A dead letter whose event has become a row is resolved, whichever way it got there.

-- Mostly none is open, and then a batch of executions pays for one look into an empty index. A session keeps its plans
-- while the table grows: so no sequential scan, and where some are open a new plan (EXECUTE), always by event_id: the
-- status is not said with IN, or a partial index that is empty to old statistics would be read from end to end.
CREATE FUNCTION resolve_executed_dead_letters() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off
AS $$
BEGIN
    IF EXISTS (SELECT FROM dead_letter_events WHERE status IN ('pending', 'replayed')) THEN
        -- Locked in the order of the store.
        EXECUTE $resolve$
            WITH locked AS MATERIALIZED (
                SELECT id FROM dead_letter_events
                WHERE event_id = ANY (ARRAY(SELECT id FROM inserted))
                  AND status NOT IN ('resolved', 'discarded') AND consumer = 'executions'
                ORDER BY event_key FOR NO KEY UPDATE
            )
            UPDATE dead_letter_events d SET status = 'resolved', changed_at = now() FROM locked WHERE d.id = locked.id
        $resolve$;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION resolve_evaluated_dead_letters() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off
AS $$
BEGIN
    IF EXISTS (SELECT FROM dead_letter_events WHERE status IN ('pending', 'replayed')) THEN
        EXECUTE $resolve$
            WITH locked AS MATERIALIZED (
                SELECT id FROM dead_letter_events
                WHERE event_id = ANY (ARRAY(SELECT event_id FROM inserted))
                  AND status NOT IN ('resolved', 'discarded') AND consumer = 'guardrails'
                ORDER BY event_key FOR NO KEY UPDATE
            )
            UPDATE dead_letter_events d SET status = 'resolved', changed_at = now() FROM locked WHERE d.id = locked.id
        $resolve$;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER trigger_resolve_executed_dead_letters AFTER INSERT ON prompt_executions
    REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION resolve_executed_dead_letters();
CREATE TRIGGER trigger_resolve_evaluated_dead_letters AFTER INSERT ON guardrail_evaluations
    REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION resolve_evaluated_dead_letters();

-- A dead letter and its row that are written at the same moment do not see each other: what changed since the last
-- sweep, and in the minute before it for those that were not committed yet, is looked at once more.
CREATE TABLE dead_letter_sweep (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    swept_at timestamptz NOT NULL
);

INSERT INTO dead_letter_sweep (swept_at) VALUES ('-infinity');

-- How many it resolved; 0 as well where another session is sweeping.
CREATE FUNCTION resolve_dead_letters() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off
AS $$
DECLARE
    since timestamptz;
    resolved integer;
BEGIN
    SELECT swept_at - interval '1 minute' INTO since FROM dead_letter_sweep WHERE only_row FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    WITH locked AS MATERIALIZED (
        SELECT d.id FROM dead_letter_events d
        WHERE d.status IN ('pending', 'replayed') AND d.changed_at >= since
          AND CASE d.consumer
              WHEN 'executions' THEN EXISTS (SELECT FROM prompt_executions e WHERE e.id = d.event_id)
              ELSE EXISTS (SELECT FROM guardrail_evaluations e WHERE e.event_id = d.event_id)
          END
        ORDER BY d.event_key FOR NO KEY UPDATE OF d
    )
    UPDATE dead_letter_events d SET status = 'resolved', changed_at = now() FROM locked WHERE d.id = locked.id;
    GET DIAGNOSTICS resolved = ROW_COUNT;
    UPDATE dead_letter_sweep SET swept_at = now() WHERE only_row;
    RETURN resolved;
END $$;

REVOKE ALL ON dead_letter_sweep FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION resolve_executed_dead_letters, resolve_evaluated_dead_letters, resolve_dead_letters
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION resolve_dead_letters TO prompt_dead_letter_worker, prompt_operator;
