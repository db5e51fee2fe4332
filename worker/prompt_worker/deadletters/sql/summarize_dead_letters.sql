-- Dead letters by cause, the largest first; {which} is a condition over d. The time between the first and the last of
-- them is cut into %(columns)s parts, and `parts` has pairs of a part's number and how many of the cause fall into it.
WITH bounds AS MATERIALIZED (
    SELECT min(d.last_seen) AS first,
           greatest((max(d.last_seen) - min(d.last_seen)) / %(columns)s, interval '1 second') AS width
    FROM dead_letter_events d
    WHERE {which}
), parts AS MATERIALIZED (
    SELECT d.cause,
           date_bin((SELECT width FROM bounds), d.last_seen, (SELECT first FROM bounds)) AS part,
           count(*) AS number,
           count(*) FILTER (WHERE d.status = 'pending') AS pending,
           count(*) FILTER (WHERE d.status = 'replayed') AS replayed,
           count(*) FILTER (WHERE d.status = 'resolved') AS resolved,
           min(d.first_seen) AS first_seen,
           max(d.last_seen) AS last_seen
    FROM dead_letter_events d
    WHERE {which}
    GROUP BY 1, 2
), causes AS MATERIALIZED (
    SELECT cause, sum(number)::bigint AS number, sum(pending)::bigint AS pending, sum(replayed)::bigint AS replayed,
           sum(resolved)::bigint AS resolved, min(first_seen) AS first_seen, max(last_seen) AS last_seen,
           array_agg(ARRAY[extract(epoch FROM part - first) / extract(epoch FROM width), number]::bigint[]) AS parts,
           count(*) OVER () AS causes,
           sum(sum(number)) OVER ()::bigint AS total
    FROM parts CROSS JOIN bounds
    GROUP BY cause
    ORDER BY 2 DESC, cause
    LIMIT %(limit)s
)
SELECT example.consumer, example.source, example.error_class, example.reason, c.number, c.pending, c.replayed, c.resolved,
       c.number - c.pending - c.replayed - c.resolved AS discarded, c.first_seen, c.last_seen, example.id AS example,
       c.parts, c.causes, c.total
FROM causes c
CROSS JOIN LATERAL (
    SELECT d.id, d.consumer, d.source, d.error_class, d.reason
    FROM dead_letter_events d
    WHERE d.cause = c.cause AND {which}
    ORDER BY d.last_seen DESC
    LIMIT 1
) AS example
ORDER BY c.number DESC, c.cause
