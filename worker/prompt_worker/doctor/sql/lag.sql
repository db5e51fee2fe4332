-- Age in seconds of the newest execution: the newest ids are the newest executions (UUID version 7).
SELECT extract(epoch FROM now() - max(executed_at)) FROM (
    SELECT executed_at FROM prompt_executions ORDER BY id DESC LIMIT 100
) AS newest
