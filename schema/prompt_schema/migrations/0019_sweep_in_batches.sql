-- The sweep of dead letters works in batches and keeps its progress, so that no number of open ones exceeds a time limit.

-- A sweep checks them in the order of (changed_at, id). While one is under way, `began_at` says since when, and all up to
-- (reached_at, reached_id) are checked; between two sweeps these are null.
ALTER TABLE dead_letter_sweep
    ADD COLUMN began_at timestamptz,
    ADD COLUMN reached_at timestamptz,
    ADD COLUMN reached_id uuid;

-- In that order: a million may have changed at one moment.
DROP INDEX idx_dead_letter_events_open;
CREATE INDEX idx_dead_letter_events_open ON dead_letter_events (changed_at, id) WHERE status IN ('pending', 'replayed');
DROP INDEX idx_dead_letter_events_discarded;
CREATE INDEX idx_dead_letter_events_discarded ON dead_letter_events (changed_at, id)
    WHERE status = 'discarded' AND superseded_by IS NULL;

-- Checks the next ones, `most` at most, and resolves those whose event is a row. Fewer than `most` are checked where the
-- sweep is over, none where another session is sweeping. The next sweep begins a minute before this one began: what was
-- not committed yet when it was passed is checked then.
CREATE FUNCTION sweep_dead_letters(most integer, OUT checked integer, OUT resolved integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
DECLARE
    began timestamptz;
    last_at timestamptz;
    last_id uuid;
BEGIN
    checked := 0;
    resolved := 0;
    SELECT coalesce(began_at, now()), coalesce(reached_at, swept_at - interval '1 minute'),
           coalesce(reached_id, '00000000-0000-0000-0000-000000000000')
    INTO began, last_at, last_id
    FROM public.dead_letter_sweep WHERE only_row FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    WITH next AS MATERIALIZED (
        (SELECT d.changed_at, d.id FROM public.dead_letter_events d
         WHERE d.status IN ('pending', 'replayed') AND (d.changed_at, d.id) > (last_at, last_id)
         ORDER BY d.changed_at, d.id LIMIT most)
        UNION ALL -- each by its own index
        (SELECT d.changed_at, d.id FROM public.dead_letter_events d
         WHERE d.status = 'discarded' AND d.superseded_by IS NULL AND (d.changed_at, d.id) > (last_at, last_id)
         ORDER BY d.changed_at, d.id LIMIT most)
        ORDER BY changed_at, id
        LIMIT most
    ), locked AS MATERIALIZED (
        SELECT d.id FROM public.dead_letter_events d JOIN next USING (id)
        WHERE d.status <> 'resolved' AND d.superseded_by IS NULL
          AND CASE d.consumer
              WHEN 'executions' THEN EXISTS (SELECT FROM public.prompt_executions e WHERE e.id = d.event_id)
              ELSE EXISTS (SELECT FROM public.guardrail_evaluations e WHERE e.event_id = d.event_id)
          END
        ORDER BY d.event_key FOR NO KEY UPDATE OF d
    ), written AS (
        UPDATE public.dead_letter_events d SET status = 'resolved', changed_at = now()
        FROM locked WHERE d.id = locked.id
        RETURNING d.id
    )
    SELECT (SELECT count(*) FROM next), (SELECT count(*) FROM written), last.changed_at, last.id
    INTO checked, resolved, last_at, last_id
    FROM (VALUES (1)) AS always LEFT JOIN (
        SELECT next.changed_at, next.id FROM next ORDER BY next.changed_at DESC, next.id DESC LIMIT 1
    ) AS last ON true;
    IF checked < most THEN
        UPDATE public.dead_letter_sweep
        SET swept_at = began, began_at = NULL, reached_at = NULL, reached_id = NULL WHERE only_row;
    ELSE
        UPDATE public.dead_letter_sweep
        SET began_at = began, reached_at = last_at, reached_id = last_id WHERE only_row;
    END IF;
END $$;

REVOKE EXECUTE ON FUNCTION sweep_dead_letters FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sweep_dead_letters TO prompt_dead_letter_worker, prompt_operator;

-- How many the next ones resolved, as workers of the version before ask for it.
CREATE OR REPLACE FUNCTION resolve_dead_letters() RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT resolved FROM public.sweep_dead_letters(10000) $$;
