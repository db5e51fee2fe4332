-- Of one version, the newest first.
SELECT r.verdict, r.reviewer, r.login, r.comment, r.reviewed_at, r.content_sha256, r.includes
FROM prompt_reviews r
JOIN prompt_templates t ON t.id = r.template_id
WHERE t.name = %(name)s AND t.version = %(version)s
ORDER BY r.id DESC
