-- Every name that has a version, with what is served of it.
SELECT t.name, (array_agg(t.category ORDER BY t.is_active AND t.ab_test_group IS NULL DESC NULLS LAST, t.version DESC))[1],
       max(t.version) FILTER (WHERE t.is_active AND t.ab_test_group IS NULL), max(t.version), count(*),
       coalesce((SELECT jsonb_object_agg(l.label, v.version)
                 FROM prompt_labels l JOIN prompt_templates v ON v.id = l.template_id WHERE l.name = t.name), '{}'),
       n.blocked_reason
FROM prompt_templates t
LEFT JOIN prompt_names n ON n.name = t.name
WHERE %(name)s IS NULL OR t.name = %(name)s
GROUP BY t.name, n.blocked_reason
ORDER BY t.name
