-- The last of the dead letters that a replay would send, by the order of their ids.
SELECT d.id
FROM dead_letter_events AS d
WHERE {condition} AND d.superseded_by IS NULL AND (%(most_replays)s::integer IS NULL OR d.replay_count < %(most_replays)s)
    AND d.changed_at <= %(before)s
ORDER BY d.id
OFFSET %(size)s - 1 LIMIT 1
