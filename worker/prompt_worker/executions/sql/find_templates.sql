-- The templates that events name: by id, each with every name and version that it has or had; or by name and version,
-- which lead to the template that has them now, else to the last one that had them.
SELECT true AS by_id, id, name, version FROM prompt_templates WHERE id = ANY(%(ids)s::uuid[])
UNION ALL
SELECT true, t.id, f.name, f.version
FROM prompt_template_names AS f
JOIN prompt_templates AS t ON t.id = f.template_id
WHERE t.id = ANY(%(ids)s::uuid[])
UNION ALL
SELECT false, found.id, wanted.name, wanted.version
FROM unnest(%(names)s::text[], %(versions)s::integer[]) AS wanted (name, version)
CROSS JOIN LATERAL (
    SELECT t.id, NULL::timestamptz AS until
    FROM prompt_templates AS t
    WHERE t.name = wanted.name AND t.version = wanted.version
    UNION ALL
    SELECT t.id, f.until
    FROM prompt_template_names AS f
    JOIN prompt_templates AS t ON t.id = f.template_id
    WHERE f.name = wanted.name AND f.version = wanted.version
    ORDER BY until DESC NULLS FIRST
    LIMIT 1
) AS found
