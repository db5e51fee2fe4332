retried AS MATERIALIZED (
    SELECT x.request_id, max(x.attempt) AS last
    FROM prompt_executions x
    WHERE x.template_name = %(template_name)s AND x.executed_at >= %(started_at)s::timestamptz - interval '1 day'
      AND (x.experiment_id = %(id)s::uuid OR x.experiment_id IS NULL)
      AND (x.experiment_id IS NOT NULL OR x.ab_test_group IS NOT NULL)
      AND x.attempt > 1 AND x.request_id IS NOT NULL
    GROUP BY x.request_id
),
