-- The templates that events name, by id or by name and version.
SELECT id, name, version FROM prompt_templates WHERE id = ANY(%(ids)s::uuid[])
UNION
SELECT t.id, t.name, t.version
FROM prompt_templates AS t
JOIN unnest(%(names)s::text[], %(versions)s::integer[]) AS wanted (name, version) USING (name, version)
