-- A page of executions: a source gives rows in order, of which those that meet the conditions are shown. The first
-- three columns say how many rows were looked at, and the last of them; they come also where no row is shown.
WITH looked AS MATERIALIZED (
    {source}
), shown AS (
    SELECT f.*
    FROM looked f
    WHERE {conditions}
    ORDER BY f.executed_at DESC, f.id DESC
    LIMIT %(lines)s
), far AS (
    SELECT count(*) OVER () AS number, executed_at AS oldest, id AS oldest_id
    FROM looked
    ORDER BY executed_at, id
    LIMIT 1
)
SELECT far.number, far.oldest, far.oldest_id::text, s.id::text, s.executed_at, s.template_name, s.template_version,
       s.status, s.environment, s.service, s.execution_time_ms, s.token_count, s.cost_usd, s.user_id, s.error_type
FROM far LEFT JOIN shown s ON true
ORDER BY s.executed_at DESC, s.id DESC
