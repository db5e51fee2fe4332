-- Versions with their content: of one name or of all; those of some numbers; only those in production; only those of an id.
SELECT t.id::text, t.name, t.version, t.description, t.category, t.template_text, t.messages, t.variables, t.model_config,
       t.output_schema,
       (SELECT jsonb_object_agg(p.language, coalesce(p.messages, to_jsonb(p.template_text)))
        FROM prompt_translations p WHERE p.template_id = t.id),
       t.content_sha256, coalesce(t.is_active, false), t.ab_test_group, coalesce(t.author, t.created_by), t.created_at
FROM prompt_templates t
WHERE (%(name)s IS NULL OR t.name = %(name)s)
  AND (%(versions)s::integer[] IS NULL OR t.version = ANY(%(versions)s))
  AND (NOT %(production)s OR t.is_active AND t.ab_test_group IS NULL)
ORDER BY t.name, t.version
