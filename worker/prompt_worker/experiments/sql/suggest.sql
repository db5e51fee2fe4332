-- Of each prompt that was executed lately, over its units: failures of calls, cost of a success, the quantile of times. At
-- most so many of the newest rows are read, by an index, however many there are. `arm`: the prompt's name, for which
-- quantile.sql is the same as for an arm. A call without a unit is counted, and no more.
WITH recent AS MATERIALIZED (
    SELECT x.template_name AS arm, coalesce(x.assignment_unit, x.user_id, x.session_id) AS unit, x.status,
           x.execution_time_ms, x.cost_usd, x.executed_at
    FROM prompt_executions x
    WHERE x.executed_at >= now() - %(days)s * interval '1 day' AND x.executed_at <= now()
      AND (%(environment)s::text IS NULL OR x.environment = %(environment)s::text)
    ORDER BY x.executed_at DESC
    LIMIT %(rows)s
), units AS MATERIALIZED (
    SELECT arm, unit, count(*)::float8 AS calls, (count(*) FILTER (WHERE status = 'failure'))::float8 AS failures,
           (count(*) FILTER (WHERE status = 'success'))::float8 AS successes, coalesce(sum(cost_usd), 0)::float8 AS cost,
           array_agg(execution_time_ms) FILTER (WHERE execution_time_ms IS NOT NULL) AS times
    FROM recent WHERE unit <> '' GROUP BY arm, unit
){quantiles}
SELECT 'read' AS what, NULL AS arm, NULL::bigint AS phase, NULL::bigint AS units, count(*)::numeric AS calls,
       NULL::bigint AS failing, ARRAY[extract(epoch FROM now() - min(executed_at)) / 86400]::float8[] AS sums
FROM recent
UNION ALL
SELECT 'no_unit', arm, NULL, NULL, count(*), NULL, NULL FROM recent WHERE coalesce(unit, '') = '' GROUP BY arm
UNION ALL
SELECT 'failures', arm, NULL, count(*), sum(calls)::numeric, NULL, ARRAY[
    sum(calls), sum(failures), sum(failures * failures), sum(failures * calls), sum(calls * calls)]
FROM units GROUP BY arm
UNION ALL
SELECT 'cost', arm, NULL, count(*), NULL, NULL, ARRAY[
    sum(successes), sum(cost), sum(cost * cost), sum(cost * successes), sum(successes * successes)]
FROM units WHERE successes > 0 OR cost > 0 GROUP BY arm
{quantile_rows}
