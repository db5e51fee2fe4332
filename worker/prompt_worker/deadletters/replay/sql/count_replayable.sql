-- How many dead letters may be replayed, how many more were replayed too often, and the time now.
SELECT count(*) FILTER (WHERE fresh), count(*) FILTER (WHERE NOT fresh), now()
FROM (
    SELECT %(most_replays)s::integer IS NULL OR d.replay_count < %(most_replays)s AS fresh
    FROM dead_letter_events AS d
    WHERE {condition} AND d.superseded_by IS NULL AND d.changed_at <= now()
) AS matching
