-- The last executions of any version of a prompt, the newest first. By index: of each version and status the last ones.
SELECT e.id::text, e.template_version, e.input_variables, e.rendered_prompt, e.language
FROM prompt_templates t
CROSS JOIN unnest(ARRAY['success', 'failure', 'partial', 'blocked']) AS statuses (status)
CROSS JOIN LATERAL (
    SELECT x.id, x.template_version, x.input_variables, x.rendered_prompt, x.language, x.executed_at
    FROM prompt_executions x
    WHERE x.template_id = t.id AND x.status = statuses.status
    ORDER BY x.executed_at DESC
    LIMIT %(limit)s
) e
WHERE t.name = %(name)s
ORDER BY e.executed_at DESC, e.id DESC
LIMIT %(limit)s
