-- The templates that events name, by id or by name and version, with what guardrails need.
SELECT id::text, name, version, template_text, category FROM prompt_templates WHERE id = ANY(%(ids)s::uuid[])
UNION
SELECT t.id::text, t.name, t.version, t.template_text, t.category
FROM prompt_templates AS t
JOIN unnest(%(names)s::text[], %(versions)s::integer[]) AS wanted (name, version) USING (name, version)
