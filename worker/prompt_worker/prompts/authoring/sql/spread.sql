-- Of each service since a release: when it last served that version, and when another one as the one in production. What
-- was asked for by a number, a label or a rule, or belongs to an experiment, says nothing.
SELECT x.service, max(x.executed_at) FILTER (WHERE x.template_version = %(version)s),
       max(x.executed_at) FILTER (WHERE x.template_version <> %(version)s),
       (array_agg(x.template_version ORDER BY x.executed_at DESC) FILTER (WHERE x.template_version <> %(version)s))[1]
FROM prompt_templates t
CROSS JOIN unnest(ARRAY['success', 'failure', 'partial', 'blocked']) AS statuses (status)
JOIN prompt_executions x
    ON x.template_id = t.id AND x.status = statuses.status AND x.executed_at >= %(since)s
WHERE t.name = %(name)s
  AND (x.selection IS NULL OR x.selection = 'production' OR x.selection LIKE 'builtin:%%')
GROUP BY x.service
