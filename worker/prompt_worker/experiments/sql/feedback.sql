-- The first parts of evidence.sql where it measures feedback: by request and name, the mean of what each source said last.
-- The rows on their own first, as an index in the order of requests would lead through those of all prompts and times.
given AS MATERIALIZED (
    SELECT f.request_id, f.name, f.source, f.value, f.at, f.event_id
    FROM prompt_feedback f
    WHERE f.name = ANY (%(feedback)s) AND f.at >= %(started_at)s::timestamptz - interval '1 day'
), feedback AS MATERIALIZED (
    SELECT l.request_id, l.name, avg(l.value) AS value
    FROM (
        SELECT DISTINCT ON (g.request_id, g.name COLLATE "C", g.source COLLATE "C") g.request_id, g.name, g.value
        FROM given g
        ORDER BY g.request_id, g.name COLLATE "C", g.source COLLATE "C", g.at DESC, g.event_id DESC
    ) l
    GROUP BY l.request_id, l.name
),
