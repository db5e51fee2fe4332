-- By arm: the quantile of its calls' times, the sums of how many calls of a unit are at or below it, and the quantiles at
-- the two levels between which it is: see statistics/quantile.py. Only what counts, as in evidence.sql.
WITH retried AS MATERIALIZED (
    SELECT x.request_id, max(x.attempt) AS last
    FROM prompt_executions x
    WHERE x.template_name = %(template_name)s AND x.executed_at >= %(started_at)s::timestamptz - interval '1 day'
      AND (x.experiment_id = %(id)s::uuid OR x.experiment_id IS NULL)
      AND (x.experiment_id IS NOT NULL OR x.ab_test_group IS NOT NULL)
      AND x.attempt > 1 AND x.request_id IS NOT NULL
    GROUP BY x.request_id
), calls AS MATERIALIZED (
    SELECT x.ab_test_group AS arm, x.assignment_unit AS unit, x.execution_time_ms AS value
    FROM prompt_executions x
    JOIN jsonb_each_text(%(arms)s::jsonb) a ON a.key = x.ab_test_group AND a.value = x.template_id::text
    LEFT JOIN retried r ON r.request_id = x.request_id
    WHERE x.template_name = %(template_name)s AND x.executed_at >= %(started_at)s AND x.executed_at < %(ended_at)s
      AND (x.experiment_id = %(id)s::uuid OR x.experiment_id IS NULL)
      AND (x.experiment_id IS NOT NULL OR x.ab_test_group IS NOT NULL)
      AND (%(environment)s::text IS NULL OR x.environment = %(environment)s::text)
      AND x.assignment_unit <> '' AND x.prompt_source IS DISTINCT FROM 'builtin'
      AND (x.experiment_phase >= %(span)s OR x.experiment_phase IS NULL AND x.executed_at >= %(span_started_at)s)
      AND (r.last IS NULL OR coalesce(x.attempt, 1) >= r.last)
), twice AS MATERIALIZED (
    SELECT unit FROM calls GROUP BY unit HAVING count(DISTINCT arm) > 1
), counted AS MATERIALIZED (
    SELECT * FROM calls WHERE value IS NOT NULL AND unit NOT IN (SELECT unit FROM twice)
), quantiles AS (
    SELECT arm, percentile_disc(%(probability)s) WITHIN GROUP (ORDER BY value) AS value FROM counted GROUP BY arm
), sums AS (
    SELECT u.arm, u.value, count(*) AS units, sum(u.n) AS n, sum(u.s) AS s, sum(u.s * u.s) AS ss, sum(u.s * u.n) AS sn,
           sum(u.n * u.n) AS nn
    FROM (
        SELECT c.arm, q.value, count(*) AS n, count(*) FILTER (WHERE c.value <= q.value) AS s
        FROM counted c JOIN quantiles q ON q.arm = c.arm
        GROUP BY c.arm, q.value, c.unit
    ) u
    GROUP BY u.arm, u.value
), levels AS (
    SELECT s.*, %(radius)s * sqrt(greatest(0, s.ss - 2 * s.s / s.n * s.sn + (s.s / s.n) ^ 2 * s.nn)
                                  / (s.units - 1) * s.units) / s.n AS radius
    FROM sums s WHERE s.units > 1
)
SELECT l.arm, l.units, l.n, l.s, l.ss, l.sn, l.nn, l.value,
       (SELECT percentile_disc(greatest(0, %(probability)s - l.radius)::float8) WITHIN GROUP (ORDER BY c.value)
        FROM counted c WHERE c.arm = l.arm) AS low,
       (SELECT percentile_disc(least(1, %(probability)s + l.radius)::float8) WITHIN GROUP (ORDER BY c.value)
        FROM counted c WHERE c.arm = l.arm) AS high
FROM levels l
