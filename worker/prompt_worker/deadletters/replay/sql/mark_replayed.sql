-- Marks these dead letters as sent.
UPDATE dead_letter_events
SET status = 'replayed', replay_count = replay_count + 1, last_replay_id = %(replay)s, changed_at = clock_timestamp(),
    discard_reason = NULL
WHERE id = ANY(%(ids)s::uuid[])
