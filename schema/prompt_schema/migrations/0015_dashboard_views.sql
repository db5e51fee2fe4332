-- What a dashboard shows of failures and dead letters: counts by the hour, without a text, a payload or a user's id.

CREATE VIEW v_execution_errors_hourly AS
SELECT date_trunc('hour', executed_at, 'UTC') AS hour,
       template_name,
       coalesce(error_type, 'unknown') AS error_type,
       count(*) AS failures
FROM prompt_executions
WHERE status = 'failure' AND executed_at >= now() - interval '7 days'
GROUP BY 1, 2, 3;

-- A corrected dead letter counts once, as its correction.
CREATE VIEW v_dead_letters_hourly AS
SELECT date_trunc('hour', last_seen, 'UTC') AS hour,
       consumer,
       error_class,
       template_name,
       status,
       count(*) AS dead_letters,
       sum(times_seen) AS failures,
       max(last_seen) AS last_seen
FROM dead_letter_events
WHERE superseded_by IS NULL
GROUP BY 1, 2, 3, 4, 5;

REVOKE ALL ON v_execution_errors_hourly, v_dead_letters_hourly FROM PUBLIC;
GRANT SELECT ON v_execution_errors_hourly, v_dead_letters_hourly TO prompt_reader, prompt_operator;
