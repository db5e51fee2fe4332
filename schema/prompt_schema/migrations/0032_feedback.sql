-- Feedback: what users, editors and judges say about requests; dead letters of its worker.

-- As in 0009: another of the cluster's databases may have made it, or be making it right now.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'prompt_feedback_worker') THEN
        CREATE ROLE prompt_feedback_worker NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN
        NULL;
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'role prompt_feedback_worker is missing, and % may not create roles', current_user
            USING ERRCODE = 'insufficient_privilege', HINT = format(
                'As an administrator run: ALTER ROLE %I CREATEROLE; or: CREATE ROLE prompt_feedback_worker NOLOGIN; '
                'then migrate again.', current_user);
END $$;

-- Every event is a row and stays as it is: its key alone decides what is a duplicate, writers never wait for each other's
-- rows, and a dead letter finds its event. Which row counts is decided where they are read. No foreign key: feedback may
-- come first. Deleting all rows before a moment changes nothing that a source said later under the same name.
CREATE TABLE prompt_feedback (
    event_id uuid PRIMARY KEY,
    request_id uuid NOT NULL,
    name varchar(50) NOT NULL CHECK (name <> ''),
    source varchar(100) NOT NULL CHECK (source <> ''),
    value numeric(7,6) NOT NULL CHECK (value BETWEEN -1 AND 1),
    at timestamptz NOT NULL
);
-- An experiment reads one name from its start on; and what was said about this request?
CREATE INDEX idx_prompt_feedback_name ON prompt_feedback (name, at);
CREATE INDEX idx_prompt_feedback_request ON prompt_feedback (request_id, name);

-- Of what a source said under a name about a request the last counts, in whatever order it came.
CREATE VIEW v_prompt_feedback AS
SELECT DISTINCT ON (request_id, name, source) request_id, name, source, value, at, event_id
FROM prompt_feedback
ORDER BY request_id, name, source, at DESC, event_id DESC;

-- The old rule is a part of the new one.
ALTER TABLE dead_letter_events
    DROP CONSTRAINT dead_letter_events_consumer_check,
    ADD CONSTRAINT dead_letter_events_consumer_check CHECK (consumer IN ('executions', 'guardrails', 'feedback'));

CREATE TRIGGER trigger_resolve_feedback_dead_letters AFTER INSERT ON prompt_feedback
    REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION resolve_written_dead_letters('feedback', 'event_id');

-- As in 0019, and of feedback too.
CREATE OR REPLACE FUNCTION public.sweep_dead_letters(most integer, OUT checked integer, OUT resolved integer)
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
              WHEN 'feedback' THEN EXISTS (SELECT FROM public.prompt_feedback e WHERE e.event_id = d.event_id)
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

REVOKE ALL ON prompt_feedback, v_prompt_feedback FROM PUBLIC;

-- Adds feedback and can neither change nor read it.
GRANT USAGE ON SCHEMA public TO prompt_feedback_worker;
GRANT SELECT ON schema_migrations TO prompt_feedback_worker;
GRANT INSERT, SELECT (event_id) ON prompt_feedback TO prompt_feedback_worker;
GRANT SELECT (event_id) ON prompt_feedback TO prompt_dead_letter_worker;
GRANT SELECT ON prompt_feedback TO prompt_experiment_worker, prompt_operator;
-- It names requests, and neither texts nor users.
GRANT SELECT ON v_prompt_feedback TO prompt_reader, prompt_viewer, prompt_operator;
