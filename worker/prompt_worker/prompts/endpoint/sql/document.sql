-- TEMPORARY: replaced by the registry's own
WITH numbered AS (
    SELECT t.*, row_number() OVER (PARTITION BY name ORDER BY version DESC) AS newest
    FROM prompt_templates AS t
), chosen AS (
    SELECT * FROM numbered AS t
    WHERE newest <= 20 OR is_active OR EXISTS (SELECT FROM prompt_labels AS l WHERE l.template_id = t.id)
)
SELECT jsonb_build_object(
    'format', 1, 'registry_id', r.registry_id, 'epoch', r.epoch, 'revision', r.revision, 'made_at', now(),
    'names', (SELECT coalesce(jsonb_object_agg(n.name, jsonb_build_object(
        'category', (SELECT c.category FROM prompt_templates AS c WHERE c.name = n.name ORDER BY c.version DESC LIMIT 1),
        'blocked', n.blocked_reason, 'rules', n.rules,
        'labels', (SELECT coalesce(jsonb_object_agg(l.label, t.version), '{}') FROM prompt_labels AS l
                   JOIN prompt_templates AS t ON t.id = l.template_id WHERE l.name = n.name))), '{}') FROM prompt_names AS n),
    'versions', (SELECT coalesce(jsonb_agg(jsonb_build_object(
        'name', t.name, 'version', t.version, 'template_id', t.id, 'is_active', coalesce(t.is_active, false),
        'group', t.ab_test_group, 'content_sha256', t.content_sha256,
        'content', jsonb_build_object('template_text', t.template_text, 'messages', t.messages,
            'variables', coalesce(t.variables, '[]'), 'model_config', t.model_config, 'output_schema', t.output_schema,
            'translations', (SELECT coalesce(jsonb_object_agg(x.language, coalesce(to_jsonb(x.template_text), x.messages)), '{}')
                             FROM prompt_translations AS x WHERE x.template_id = t.id))) ORDER BY t.name, t.version), '[]')
        FROM chosen AS t),
    'experiments', '[]'::jsonb)::text
FROM prompt_registry AS r
