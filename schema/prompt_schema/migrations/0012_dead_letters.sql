-- Dead letters: what could not be processed, why, what became of it, and every action of an operator upon it.

CREATE TABLE dead_letter_events (
    id uuid PRIMARY KEY DEFAULT uuid_v7(),
    consumer varchar(20) NOT NULL CHECK (consumer IN ('executions', 'guardrails')), -- whose dead letter it is
    event_key uuid NOT NULL, -- the event id in the body, else one made of the body's SHA-256
    event_id uuid,           -- of the body, else of the attribute ce-id
    source varchar(10) NOT NULL CHECK (source IN ('worker', 'pubsub', 'other')), -- pubsub: forwarded by Pub/Sub itself
    subscription varchar(255), -- that it came from
    error_class varchar(100) NOT NULL,
    reason text NOT NULL,
    cause bigint NOT NULL, -- alike for dead letters that have one consumer, source, error class and kind of reason
    template_name varchar(255),
    template_version integer,
    environment varchar(50),
    payload bytea NOT NULL, -- unchanged
    attributes jsonb NOT NULL,
    delivery_attempts integer, -- as Pub/Sub counted them before it forwarded
    occurrences text[] NOT NULL, -- the messages that failed, the latest of them: one that comes again counts no more
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    times_seen integer NOT NULL DEFAULT 1 CHECK (times_seen > 0),
    status varchar(10) NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'replayed', 'resolved', 'discarded')),
    changed_at timestamptz NOT NULL DEFAULT now(), -- since when it has this status
    replay_count integer NOT NULL DEFAULT 0,
    last_replay_id uuid,
    discard_reason text,
    edited_from uuid,  -- a corrected copy names its original,
    superseded_by uuid -- and the original its copy: it is not replayed any more
);

-- Payload and attributes beside the table, the reason in it: lists and summaries read that alone.
ALTER TABLE dead_letter_events ALTER payload SET STORAGE EXTERNAL;
ALTER TABLE dead_letter_events SET (toast_tuple_target = 512);

-- No foreign keys among dead letters: purging a thousand would look through all the others a thousand times.
CREATE UNIQUE INDEX idx_dead_letter_events_key ON dead_letter_events (event_key, consumer) WHERE superseded_by IS NULL;
CREATE INDEX idx_dead_letter_events_event ON dead_letter_events (event_id);
-- Those that may still become a row: are there any, and which changed lately?
CREATE INDEX idx_dead_letter_events_open ON dead_letter_events (changed_at) WHERE status IN ('pending', 'replayed');
-- All that a summary of any number of them reads.
CREATE INDEX idx_dead_letter_events_cause ON dead_letter_events (cause, last_seen) INCLUDE (status, first_seen);

CREATE TABLE dead_letter_actions (
    id uuid PRIMARY KEY DEFAULT uuid_v7(),
    action varchar(20) NOT NULL CHECK (action IN ('replay', 'edit', 'discard', 'purge', 'seek', 'snapshot')),
    by varchar(255) NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz, -- null: under way, or killed
    filter jsonb NOT NULL DEFAULT '{}',
    details jsonb NOT NULL DEFAULT '{}',
    counts jsonb NOT NULL DEFAULT '{}' -- of its outcomes
);

CREATE TABLE dead_letter_outcomes (
    action_id uuid NOT NULL REFERENCES dead_letter_actions ON DELETE CASCADE,
    dead_letter_id uuid NOT NULL, -- it may be purged since
    event_id uuid,
    outcome varchar(50) NOT NULL,
    reason text,
    happened_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (action_id, dead_letter_id)
);

CREATE INDEX idx_dead_letter_outcomes_event ON dead_letter_outcomes (dead_letter_id);

-- As in 0009: another of the cluster's databases may have made it, or be making it right now.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'prompt_dead_letter_worker') THEN
        CREATE ROLE prompt_dead_letter_worker NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN
        NULL;
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'role prompt_dead_letter_worker is missing, and % may not create roles', current_user
            USING ERRCODE = 'insufficient_privilege', HINT = format(
                'As an administrator run: ALTER ROLE %I CREATEROLE; or: CREATE ROLE prompt_dead_letter_worker NOLOGIN; '
                'then migrate again.', current_user);
END $$;

REVOKE ALL ON dead_letter_events, dead_letter_actions, dead_letter_outcomes FROM PUBLIC;

GRANT USAGE ON SCHEMA public TO prompt_dead_letter_worker;
GRANT SELECT ON schema_migrations TO prompt_dead_letter_worker;
-- Stores dead letters and counts those that fail again; it can read no body, and of the executions only which are there.
GRANT INSERT,
    SELECT (id, event_key, consumer, event_id, source, subscription, error_class, reason, cause, delivery_attempts,
            occurrences, first_seen, last_seen, times_seen, status, superseded_by),
    UPDATE (source, subscription, error_class, reason, cause, delivery_attempts, occurrences, times_seen, first_seen,
            last_seen, status, changed_at, discard_reason)
    ON dead_letter_events TO prompt_dead_letter_worker;
GRANT SELECT (id) ON prompt_executions TO prompt_dead_letter_worker;
GRANT SELECT (event_id) ON guardrail_evaluations TO prompt_dead_letter_worker;

GRANT SELECT, INSERT, UPDATE, DELETE ON dead_letter_events TO prompt_operator;
-- What an operator did stands.
GRANT SELECT, INSERT, UPDATE (ended_at, counts, details) ON dead_letter_actions TO prompt_operator;
GRANT SELECT, INSERT ON dead_letter_outcomes TO prompt_operator;
