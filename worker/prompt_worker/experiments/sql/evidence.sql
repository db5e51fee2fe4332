-- One experiment, in one pass over its rows: by arm its units, calls and the sums of each metric; what does not count;
-- units by phase. As v_ab_test_units and v_ab_test_arms have them, with constants, so that the planner knows how many
-- rows there are, and only the sums that are asked for.
-- `code`: the number of the arm that a row counts for, from 1; else why it does not: below 0, see counting.py.
WITH retried AS MATERIALIZED (
    SELECT x.request_id, max(x.attempt) AS last
    FROM prompt_executions x
    WHERE x.template_name = %(template_name)s AND x.executed_at >= %(started_at)s::timestamptz - interval '1 day'
      AND (x.experiment_id = %(id)s::uuid OR x.experiment_id IS NULL)
      AND (x.experiment_id IS NOT NULL OR x.ab_test_group IS NOT NULL)
      AND x.attempt > 1 AND x.request_id IS NOT NULL
    GROUP BY x.request_id
), judged AS MATERIALIZED (
    SELECT x.assignment_unit AS unit, {code} AS code, {phases} AS phases,
           count(*) AS calls, count(*) FILTER (WHERE x.status = 'failure') AS failures{sums}
    FROM prompt_executions x
    LEFT JOIN retried r ON r.request_id = x.request_id
    WHERE x.template_name = %(template_name)s AND x.executed_at >= %(started_at)s::timestamptz - interval '1 day'
      AND (x.experiment_id = %(id)s::uuid
           OR x.experiment_id IS NULL AND x.executed_at >= %(started_at)s AND x.executed_at < %(ended_at)s)
      AND (x.experiment_id IS NOT NULL OR x.ab_test_group IS NOT NULL)
    GROUP BY 1, 2
), twice AS MATERIALIZED (
    SELECT unit FROM judged WHERE code > 0 GROUP BY unit HAVING count(*) > 1
), units AS MATERIALIZED (
    SELECT * FROM judged WHERE code > 0 AND unit NOT IN (SELECT unit FROM twice)
), caps AS MATERIALIZED (
    SELECT {caps}
){quantiles}
SELECT 'arm' AS what, v.code, NULL::bigint AS phase, count(*) AS units, sum(v.calls) AS calls,
       count(*) FILTER (WHERE {failing}) AS failing, ARRAY[{moments}]::float8[] AS sums
FROM (
    SELECT u.code, u.calls, u.failures{capped}
    FROM units u CROSS JOIN caps c
    -- Each number once, not wherever it is summed.
    OFFSET 0
) v
GROUP BY v.code
UNION ALL
SELECT 'excluded', j.code, NULL, NULL, sum(j.calls), NULL, NULL FROM judged j WHERE j.code < 0 GROUP BY j.code
UNION ALL
SELECT 'in_two_arms', NULL, NULL, count(DISTINCT j.unit), coalesce(sum(j.calls), 0), NULL, NULL
FROM judged j WHERE j.code > 0 AND j.unit IN (SELECT unit FROM twice)
UNION ALL
SELECT 'phase', u.code, p.phase, count(*), NULL, NULL, NULL
FROM units u JOIN generate_series(%(span)s, %(phases)s) p (phase) ON u.phases >> (p.phase - 1) & 1 = 1
GROUP BY u.code, p.phase{quantile_rows}
