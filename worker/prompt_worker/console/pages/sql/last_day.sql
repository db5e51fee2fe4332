-- The newest executions of the last 24 hours, counted; {measures} are times, tokens and costs, or nulls.
WITH newest AS MATERIALIZED (
    SELECT executed_at, status, {measures}
    FROM prompt_executions
    WHERE executed_at > now() - interval '24 hours' AND executed_at <= now()
    ORDER BY executed_at DESC, id DESC
    LIMIT %(most)s
), counted (at, status, ms, tokens, cost) AS (
    SELECT * FROM newest
), bounds AS (
    SELECT extract(epoch FROM CASE WHEN count(*) = %(most)s THEN min(at) ELSE now() - interval '24 hours' END) AS first,
           extract(epoch FROM now()) + 0.001 AS last
    FROM counted
), parts AS (
    SELECT width_bucket(extract(epoch FROM at), first, last, %(parts)s) AS part, count(*) AS number,
           count(*) FILTER (WHERE status = 'failure') AS failures
    FROM counted CROSS JOIN bounds
    GROUP BY 1
)
SELECT count(*), count(*) FILTER (WHERE status = 'success'), count(*) FILTER (WHERE status = 'failure'),
       count(*) FILTER (WHERE status = 'partial'), count(*) FILTER (WHERE status = 'blocked'), min(at), max(at),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), percentile_cont(0.95) WITHIN GROUP (ORDER BY ms),
       sum(tokens)::bigint, sum(cost),
       (SELECT array_agg(coalesce(p.number, 0)::integer ORDER BY n)
        FROM generate_series(1, %(parts)s) n LEFT JOIN parts p ON p.part = n),
       (SELECT array_agg(coalesce(p.failures, 0)::integer ORDER BY n)
        FROM generate_series(1, %(parts)s) n LEFT JOIN parts p ON p.part = n)
FROM counted
