-- Services that published executions of some prompts since %(since)s; null for those that do not name themselves.
SELECT DISTINCT x.service
FROM prompt_templates t
CROSS JOIN unnest(ARRAY['success', 'failure', 'partial', 'blocked']) AS statuses (status)
JOIN prompt_executions x
    ON x.template_id = t.id AND x.status = statuses.status AND x.executed_at >= %(since)s
WHERE t.name = ANY(%(names)s)
