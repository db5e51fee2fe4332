-- Only as it was when it was checked.
UPDATE prompt_templates SET is_active = true, updated_by = %(by)s, updated_at = now()
WHERE name = %(name)s AND version = %(version)s AND content_sha256 = %(sha256)s AND ab_test_group IS NULL
RETURNING id
