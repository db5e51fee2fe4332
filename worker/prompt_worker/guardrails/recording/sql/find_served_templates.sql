-- The templates that events name, by id or by name and version, with what guardrails need. A name and version that no
-- template has now lead to the last one that had them.
SELECT id::text, name, version, template_text, category FROM prompt_templates WHERE id = ANY(%(ids)s::uuid[])
UNION
SELECT found.id::text, wanted.name, wanted.version, found.template_text, found.category
FROM unnest(%(names)s::text[], %(versions)s::integer[]) AS wanted (name, version)
CROSS JOIN LATERAL (
    SELECT t.id, t.template_text, t.category, NULL::timestamptz AS until
    FROM prompt_templates AS t
    WHERE t.name = wanted.name AND t.version = wanted.version
    UNION ALL
    SELECT t.id, t.template_text, t.category, f.until
    FROM prompt_template_names AS f
    JOIN prompt_templates AS t ON t.id = f.template_id
    WHERE f.name = wanted.name AND f.version = wanted.version
    ORDER BY until DESC NULLS FIRST
    LIMIT 1
) AS found
