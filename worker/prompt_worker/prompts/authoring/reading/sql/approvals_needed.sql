-- Of a version: its name's policy, else its category's.
SELECT coalesce(n.approvals_needed, p.approvals_needed, 0)
FROM prompt_templates t
LEFT JOIN prompt_names n ON n.name = t.name
LEFT JOIN prompt_policies p ON p.category = t.category
WHERE t.name = %(name)s AND t.version = %(version)s
