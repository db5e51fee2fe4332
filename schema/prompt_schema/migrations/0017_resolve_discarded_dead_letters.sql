-- A discarded dead letter whose event becomes a row after all is resolved too; one that was corrected is not: its copy is.
-- Its reason to be discarded stays, and so does the action that did it.

-- Is any discarded, and which of them lately? Beside idx_dead_letter_events_open, which replays look through.
CREATE INDEX idx_dead_letter_events_discarded ON dead_letter_events (changed_at)
    WHERE status = 'discarded' AND superseded_by IS NULL;

DROP TRIGGER trigger_resolve_executed_dead_letters ON prompt_executions;
DROP TRIGGER trigger_resolve_evaluated_dead_letters ON guardrail_evaluations;
DROP FUNCTION resolve_executed_dead_letters();
DROP FUNCTION resolve_evaluated_dead_letters();

-- Arguments: the consumer that wrote the rows, and their column of event ids. As in 0013: no sequential scan, a new plan
-- where there is anything to do, and by event_id: superseded_by is asked for last, or the index of keys is read whole.
CREATE FUNCTION resolve_written_dead_letters() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off
AS $$
BEGIN
    IF EXISTS (SELECT FROM dead_letter_events WHERE status IN ('pending', 'replayed'))
        OR EXISTS (SELECT FROM dead_letter_events WHERE status = 'discarded' AND superseded_by IS NULL)
    THEN
        -- Locked in the order of the store.
        EXECUTE format($resolve$
            WITH locked AS MATERIALIZED (
                SELECT id FROM dead_letter_events
                WHERE event_id = ANY (ARRAY(SELECT %I FROM inserted))
                  AND status <> 'resolved' AND consumer = %L
                ORDER BY event_key FOR NO KEY UPDATE
            )
            UPDATE dead_letter_events d SET status = 'resolved', changed_at = now()
            FROM locked WHERE d.id = locked.id AND d.superseded_by IS NULL
        $resolve$, TG_ARGV[1], TG_ARGV[0]);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER trigger_resolve_executed_dead_letters AFTER INSERT ON prompt_executions
    REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION resolve_written_dead_letters('executions', 'id');
CREATE TRIGGER trigger_resolve_evaluated_dead_letters AFTER INSERT ON guardrail_evaluations
    REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION resolve_written_dead_letters('guardrails', 'event_id');

REVOKE EXECUTE ON FUNCTION resolve_written_dead_letters FROM PUBLIC;

CREATE OR REPLACE FUNCTION resolve_dead_letters() RETURNS integer
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
    WITH changed AS (
        SELECT id FROM dead_letter_events WHERE status IN ('pending', 'replayed') AND changed_at >= since
        UNION ALL -- each by its own index
        SELECT id FROM dead_letter_events
        WHERE status = 'discarded' AND superseded_by IS NULL AND changed_at >= since
    ), locked AS MATERIALIZED (
        SELECT d.id FROM dead_letter_events d JOIN changed USING (id)
        WHERE d.status <> 'resolved' AND d.superseded_by IS NULL
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

-- Those that became rows before this migration: the next sweep looks at all.
UPDATE dead_letter_sweep SET swept_at = '-infinity';
