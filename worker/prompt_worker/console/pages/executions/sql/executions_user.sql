SELECT e.id, e.executed_at, e.template_name, e.template_version, e.status, e.environment, e.service, {columns}
    FROM prompt_executions e
    WHERE e.executed_at <= %(at)s AND (e.executed_at, e.id) < (%(at)s, %(after)s::uuid){conditions}
    ORDER BY e.executed_at DESC, e.id DESC
    LIMIT %(window)s
