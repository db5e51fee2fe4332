-- Of each service since a release: when it last served it, and when something else. A prompt that includes what was
-- released is served with it from its revision on; so is an arm of an experiment, which has a version of its own.
-- What was asked for by a number, a label or a rule says nothing.
SELECT service, max(executed_at) FILTER (WHERE follows), max(executed_at) FILTER (WHERE NOT follows),
       (array_agg(ref ORDER BY executed_at DESC) FILTER (WHERE NOT follows))[1]
FROM (
    SELECT x.service, x.executed_at, t.name || '@' || x.template_version AS ref,
           CASE WHEN t.name = %(name)s AND coalesce(x.selection, '') NOT IN ('experiment', 'rollout')
                    THEN x.template_version = %(version)s
                ELSE coalesce(x.registry_revision >= %(revision)s, false) END AS follows
    FROM prompt_templates t
    CROSS JOIN unnest(ARRAY['success', 'failure', 'partial', 'blocked']) AS statuses (status)
    JOIN prompt_executions x
        ON x.template_id = t.id AND x.status = statuses.status AND x.executed_at >= %(since)s
    WHERE t.name = ANY(%(names)s)
      AND (x.selection IS NULL OR x.selection IN ('production', 'experiment', 'rollout')
           OR x.selection LIKE 'builtin:%%')
) executions
GROUP BY service
