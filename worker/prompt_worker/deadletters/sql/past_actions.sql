-- Actions upon dead letters, the newest first, and the statuses that the events of a replay have now.
SELECT a.id, a.action, a.by, a.started_at, a.ended_at, a.filter, a.details, a.counts, now.counts
FROM dead_letter_actions AS a
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(status, number) AS counts
    FROM (
        SELECT status, count(*) AS number FROM dead_letter_events WHERE last_replay_id = a.id GROUP BY status
    ) AS replayed
) AS now ON a.action = 'replay'
ORDER BY a.id DESC
LIMIT %(limit)s
