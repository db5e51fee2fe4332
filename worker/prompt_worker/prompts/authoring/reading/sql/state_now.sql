-- What a name is served as now.
SELECT (SELECT max(t.version) FILTER (WHERE t.is_active AND t.ab_test_group IS NULL)
        FROM prompt_templates t WHERE t.name = %(name)s),
       coalesce((SELECT jsonb_object_agg(l.label, t.version)
                 FROM prompt_labels l JOIN prompt_templates t ON t.id = l.template_id WHERE l.name = %(name)s), '{}'),
       n.blocked_reason, coalesce(n.rules, '[]')
FROM (SELECT) one
LEFT JOIN prompt_names n ON n.name = %(name)s
