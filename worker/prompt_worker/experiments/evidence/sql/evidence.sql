-- One experiment, in one pass over its rows: by arm its units, calls and the sums of each metric; what does not count;
-- units by phase. As v_ab_test_units and v_ab_test_arms have them, with constants, so that the planner knows how many
-- rows there are, and only the sums that are asked for.
-- `code`: the bit of the arm that a row counts for; below 0: why it does not, see counting.py. A unit is one group, with
-- the bits of all its arms. Bytes are compared, which are equal where texts are, and cost less.
WITH {retried}served AS NOT MATERIALIZED (
    SELECT x.assignment_unit COLLATE "C" AS unit, {code} AS code, x.experiment_phase, x.status{columns}
    FROM prompt_executions x{joined}
    WHERE x.template_name = %(template_name)s AND x.executed_at >= %(started_at)s::timestamptz - interval '1 day'
      AND (x.experiment_id = %(id)s::uuid OR x.experiment_id IS NULL)
      AND (x.experiment_id IS NOT NULL OR x.ab_test_group IS NOT NULL)
    -- So that `code` is computed once.
    OFFSET 0
), judged AS MATERIALIZED (
    SELECT x.unit, least(x.code, 0) AS reason, bit_or(x.code) AS arm, {phases} AS phases,
           count(*) AS calls, count(*) FILTER (WHERE x.status = 'failure') AS failures{sums}
    FROM served x
    GROUP BY 1, 2
), {feedback}units AS {kept} (
    SELECT j.*{rated} FROM judged j{with_ratings} WHERE j.reason = 0 AND j.arm & (j.arm - 1) = 0
), sizes AS MATERIALIZED (
    SELECT {sizes} FROM units u
), caps AS MATERIALIZED (
    SELECT {caps}
){quantiles}
SELECT 'arm' AS what, v.arm, NULL::bigint AS number, count(*) AS units, sum(v.calls) AS calls,
       count(*) FILTER (WHERE {failing}) AS failing, ARRAY[{moments}]::float8[] AS sums
FROM (
    SELECT u.arm, u.calls, u.failures{capped}
    FROM units u CROSS JOIN caps c
    -- Each number once, not wherever it is summed.
    OFFSET 0
) v
GROUP BY v.arm
UNION ALL
SELECT 'excluded', NULL, j.reason, NULL, sum(j.calls), NULL, NULL FROM judged j WHERE j.reason < 0 GROUP BY j.reason
UNION ALL
SELECT 'in_two_arms', NULL, NULL, count(*), coalesce(sum(j.calls), 0), NULL, NULL
FROM judged j WHERE j.reason = 0 AND j.arm & (j.arm - 1) <> 0
UNION ALL
SELECT 'phase', u.arm, p.phase, count(*), NULL, NULL, NULL
FROM units u JOIN generate_series(%(span)s, %(phases)s) p (phase) ON u.phases >> (p.phase - 1) & 1 = 1
GROUP BY u.arm, p.phase{quantile_rows}
