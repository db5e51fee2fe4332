SELECT x.*
    FROM prompt_templates t
    CROSS JOIN unnest(%(statuses)s) AS statuses (status)
    CROSS JOIN LATERAL (
        SELECT e.id, e.executed_at, e.template_name, e.template_version, e.status, e.environment, e.service, {columns}
        FROM prompt_executions e
        WHERE e.template_id = t.id AND e.status = statuses.status AND e.executed_at <= %(at)s
          AND (e.executed_at, e.id) < (%(at)s, %(after)s::uuid){conditions}
        ORDER BY e.executed_at DESC
        LIMIT %(window)s
    ) x
    WHERE t.name = %(prompt)s AND (%(version)s IS NULL OR t.version = %(version)s)
