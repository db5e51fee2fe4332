-- The next dead letters to replay, up to a number and a size. What changed since the replay began is left out.
WITH next AS (
    SELECT d.id, d.replay_count, octet_length(d.payload) AS bytes
    FROM dead_letter_events AS d
    WHERE {condition} AND d.superseded_by IS NULL AND (%(most_replays)s::integer IS NULL OR d.replay_count < %(most_replays)s)
        AND d.changed_at <= %(before)s AND d.id > %(after)s::uuid
        AND (%(last)s::uuid IS NULL OR d.id <= %(last)s::uuid)
    ORDER BY d.id
    LIMIT %(number)s
    {lock}
), fitting AS (
    SELECT id, replay_count, sum(bytes) OVER (ORDER BY id) - bytes AS before FROM next
)
SELECT d.id, d.event_id, d.consumer, d.error_class, d.reason, d.payload, d.attributes, f.replay_count
FROM fitting AS f JOIN dead_letter_events AS d USING (id)
WHERE f.before < %(bytes)s
ORDER BY d.id
