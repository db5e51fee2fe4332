-- Which version each service was served, by the newest executions of each version and status in the last day.
SELECT x.service, x.template_version, x.selection, max(x.executed_at), count(*)
FROM prompt_templates t
CROSS JOIN unnest(ARRAY['success', 'failure', 'partial', 'blocked']) AS statuses (status)
CROSS JOIN LATERAL (
    SELECT e.service, e.template_version, e.selection, e.executed_at
    FROM prompt_executions e
    WHERE e.template_id = t.id AND e.status = statuses.status AND e.executed_at > now() - interval '24 hours'
    ORDER BY e.executed_at DESC
    LIMIT %(newest)s
) x
WHERE t.name = %(name)s
GROUP BY 1, 2, 3
ORDER BY 4 DESC
LIMIT 50
