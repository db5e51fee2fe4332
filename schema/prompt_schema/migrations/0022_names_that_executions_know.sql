-- Names by which executions know their templates, and that nothing kept: from now on verify reports any other.

INSERT INTO prompt_template_names (template_id, name, version)
SELECT DISTINCT e.template_id, e.template_name, e.template_version
FROM prompt_executions e
JOIN prompt_templates t ON t.id = e.template_id
WHERE (t.name, t.version) IS DISTINCT FROM (e.template_name, e.template_version)
ON CONFLICT DO NOTHING;
