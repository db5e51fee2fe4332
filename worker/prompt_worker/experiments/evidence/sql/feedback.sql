-- The parts of evidence.sql that measure feedback: by request and name, the mean of what each source said last; by unit, how
-- many requests have any, and its sum. A request counts once, however many executions it has. The rows on their own first,
-- as an index in the order of requests would lead through those of all prompts and times.
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
), ratings AS MATERIALIZED (
    SELECT q.unit{sums}
    FROM (
        SELECT DISTINCT x.unit, x.request_id, f.name, f.value
        FROM served x JOIN feedback f ON f.request_id = x.request_id
        WHERE x.code > 0
    ) q
    GROUP BY q.unit
),
