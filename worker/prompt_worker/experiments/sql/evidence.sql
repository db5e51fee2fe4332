-- One experiment: sums by arm and metric; what does not count; units by phase; units with a failure. As v_ab_test_units and
-- v_ab_test_arms have them, with constants, so that the planner knows how many rows there are, and only the sums that
-- are asked for.
WITH retried AS MATERIALIZED (
    SELECT x.request_id, max(x.attempt) AS last
    FROM prompt_executions x
    WHERE x.template_name = %(template_name)s AND x.executed_at >= %(started_at)s::timestamptz - interval '1 day'
      AND (x.experiment_id = %(id)s::uuid OR x.experiment_id IS NULL)
      AND (x.experiment_id IS NOT NULL OR x.ab_test_group IS NOT NULL)
      AND x.attempt > 1 AND x.request_id IS NOT NULL
    GROUP BY x.request_id
), served AS NOT MATERIALIZED (
    SELECT x.ab_test_group AS arm, x.assignment_unit AS unit, x.request_id, x.experiment_phase, x.status,
           x.guardrail_action, x.execution_time_ms, x.token_count, x.cost_usd,
           CASE WHEN x.executed_at < %(started_at)s OR x.executed_at >= %(ended_at)s THEN 'out_of_time'
                WHEN x.environment IS DISTINCT FROM coalesce(%(environment)s, x.environment) THEN 'other_environment'
                WHEN x.assignment_unit IS NULL OR x.assignment_unit = '' THEN 'no_unit'
                WHEN x.ab_test_group IS NULL THEN 'outside'
                WHEN {template} IS NULL THEN 'unknown_arm'
                WHEN x.prompt_source = 'builtin' THEN 'builtin'
                WHEN x.experiment_phase < %(span)s
                    OR x.experiment_phase IS NULL AND x.executed_at < %(span_started_at)s THEN 'earlier_phase'
                WHEN coalesce(x.attempt, 1) < r.last THEN 'retried'
                WHEN x.template_id <> {template} THEN 'mislabelled'
           END AS excluded
    FROM prompt_executions x
    LEFT JOIN retried r ON r.request_id = x.request_id
    WHERE x.template_name = %(template_name)s AND x.executed_at >= %(started_at)s::timestamptz - interval '1 day'
      AND (x.experiment_id = %(id)s::uuid
           OR x.experiment_id IS NULL AND x.executed_at >= %(started_at)s AND x.executed_at < %(ended_at)s)
      AND (x.experiment_id IS NOT NULL OR x.ab_test_group IS NOT NULL)
), judged AS MATERIALIZED (
    SELECT x.arm, x.unit, x.excluded,
           bit_or(1::bigint << least(coalesce(x.experiment_phase, %(span)s) - 1, 62)) AS phases,
           count(*) AS calls, count(*) FILTER (WHERE x.status = 'failure') AS failures{sums}
    FROM served x
    GROUP BY x.arm, x.unit, x.excluded
), twice AS MATERIALIZED (
    SELECT unit FROM judged WHERE excluded IS NULL GROUP BY unit HAVING count(*) > 1
), {feedback}units AS MATERIALIZED (
    SELECT j.*{rated} FROM judged j{with_ratings}
    WHERE j.excluded IS NULL AND j.unit NOT IN (SELECT unit FROM twice)
), caps AS MATERIALIZED (
    SELECT {caps}
)
SELECT 'arm' AS what, u.arm, NULL AS name, count(*), sum(u.calls), NULL, NULL, NULL, NULL FROM units u GROUP BY u.arm
UNION ALL
SELECT 'metric', u.arm, v.metric, count(*), sum(v.n), sum(v.s), sum(v.s * v.s), sum(v.s * v.n), sum(v.n * v.n)
FROM units u CROSS JOIN caps c CROSS JOIN LATERAL (VALUES {metrics}) m (metric, n, most, s)
CROSS JOIN LATERAL (
    SELECT m.metric, least(m.n, m.most), m.s * CASE WHEN m.n > m.most THEN m.most / m.n ELSE 1 END
) v (metric, n, s)
WHERE v.n > 0 OR v.s > 0
GROUP BY u.arm, v.metric
UNION ALL
SELECT 'excluded', j.arm, j.excluded, count(*), sum(j.calls), NULL, NULL, NULL, NULL
FROM judged j WHERE j.excluded IS NOT NULL GROUP BY j.arm, j.excluded
UNION ALL
SELECT 'in_two_arms', NULL, NULL, count(DISTINCT j.unit), coalesce(sum(j.calls), 0), NULL, NULL, NULL, NULL
FROM judged j WHERE j.excluded IS NULL AND j.unit IN (SELECT unit FROM twice)
UNION ALL
SELECT 'phase', u.arm, p.phase::text, count(*), NULL, NULL, NULL, NULL, NULL
FROM units u JOIN generate_series(1, %(phases)s) p (phase) ON u.phases >> (p.phase - 1) & 1 = 1
GROUP BY u.arm, p.phase
UNION ALL
SELECT 'failing', u.arm, NULL, count(*), NULL, NULL, NULL, NULL, NULL FROM units u WHERE u.failures > 0 GROUP BY u.arm
