SELECT e.executed_at, e.template_name, e.template_version, e.status, e.ab_test_group, e.environment, e.service,
       e.language, e.selection, e.prompt_source, e.registry_revision, e.content_sha256{more}
FROM prompt_executions e
WHERE e.id = %(id)s::uuid
