-- How many events were published since a moment, by the time in their ids (UUID version 7), up to a limit.
SELECT count(*)
FROM (
    SELECT FROM prompt_executions WHERE %(executions)s AND id BETWEEN %(first)s AND %(last)s LIMIT %(limit)s
) AS since
