, timed AS MATERIALIZED (
    SELECT arm, times FROM units WHERE times IS NOT NULL
), counted AS MATERIALIZED (
    SELECT t.arm, t.value, count(*) AS calls
    FROM (SELECT arm, unnest(times) AS value FROM timed) t
    GROUP BY t.arm, t.value
), histogram AS MATERIALIZED (
    SELECT arm, value, sum(calls) OVER (PARTITION BY arm ORDER BY value) AS below,
           sum(calls) OVER (PARTITION BY arm) AS calls
    FROM counted
), quantiles AS MATERIALIZED (
    -- As percentile_disc.
    SELECT arm, min(value) AS value FROM histogram
    WHERE below >= ceil(%(probability)s::float8 * calls) GROUP BY arm
), levels AS MATERIALIZED (
    -- Of the number of calls at or below the quantile, a ratio over units: see statistics/quantile.py.
    SELECT s.*, %(radius)s * sqrt(greatest(0, s.ss - 2 * s.s / s.n * s.sn + (s.s / s.n) ^ 2 * s.nn)
                                  / (s.units - 1) * s.units) / s.n AS radius
    FROM (
        SELECT u.arm, u.value, count(*) AS units, sum(u.n) AS n, sum(u.s) AS s, sum(u.s * u.s) AS ss,
               sum(u.s * u.n) AS sn, sum(u.n * u.n) AS nn
        FROM (
            SELECT t.arm, q.value, cardinality(t.times)::bigint AS n,
                   (SELECT count(*) FROM unnest(t.times) time WHERE time <= q.value) AS s
            FROM timed t
            JOIN quantiles q ON q.arm = t.arm
            -- So that the calls of a unit are counted once.
            OFFSET 0
        ) u
        GROUP BY u.arm, u.value
    ) s
    WHERE s.units > 1
)
