-- Replays: how old the oldest event of a replay is that is not settled, and what became of all of them.

CREATE INDEX idx_dead_letter_events_replay ON dead_letter_events (last_replay_id, status, changed_at)
    WHERE last_replay_id IS NOT NULL;
