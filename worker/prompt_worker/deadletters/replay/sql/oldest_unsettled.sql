-- Age in seconds of the oldest event that a replay sent and that has neither become a row nor failed again.
SELECT coalesce(extract(epoch FROM clock_timestamp() - min(changed_at)), 0)
FROM dead_letter_events
WHERE last_replay_id = %(replay)s AND status = 'replayed'
