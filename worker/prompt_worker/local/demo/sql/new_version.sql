-- Of the active version of %(name)s, with one line changed; not active yet.
INSERT INTO prompt_templates (name, version, parent_version_id, description, category, template_text, variables,
    is_active, created_by)
SELECT name, NULL, id, description, category,
    CASE WHEN position(%(one)s IN template_text) > 0
        THEN replace(template_text, %(one)s, %(other)s) ELSE replace(template_text, %(other)s, %(one)s) END,
    variables, false, 'demo'
FROM prompt_templates WHERE name = %(name)s AND is_active
RETURNING id, version, (SELECT p.version FROM prompt_templates AS p WHERE p.id = prompt_templates.parent_version_id)
