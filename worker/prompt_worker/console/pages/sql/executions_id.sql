SELECT e.id, e.executed_at, e.template_name, e.template_version, e.status, e.environment, e.service, {columns}
    FROM prompt_executions e
    WHERE e.id = %(id)s::uuid{conditions}
    UNION
    SELECT e.id, e.executed_at, e.template_name, e.template_version, e.status, e.environment, e.service, {columns}
    FROM prompt_executions e
    WHERE e.request_id = %(id)s::uuid{conditions}
    LIMIT %(window)s
