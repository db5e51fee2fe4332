-- Every version without its content.
SELECT t.name, t.version, t.content_sha256, coalesce(t.is_active, false) AND t.ab_test_group IS NULL, t.ab_test_group,
       t.category, coalesce(t.author, t.created_by), t.created_at
FROM prompt_templates t
WHERE %(name)s IS NULL OR t.name = %(name)s
ORDER BY t.name, t.version
