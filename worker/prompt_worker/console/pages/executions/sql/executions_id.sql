SELECT e.id, e.executed_at, e.template_name, e.template_version, e.status, e.environment, e.service, {columns}
    FROM prompt_executions e
    WHERE e.id = %(id)s::uuid AND (e.executed_at, e.id) < (%(at)s, %(after)s::uuid){conditions}
    UNION
    SELECT e.id, e.executed_at, e.template_name, e.template_version, e.status, e.environment, e.service, {columns}
    FROM prompt_executions e
    WHERE e.request_id = %(id)s::uuid AND (e.executed_at, e.id) < (%(at)s, %(after)s::uuid){conditions}
    ORDER BY executed_at DESC, id DESC
    LIMIT %(window)s
