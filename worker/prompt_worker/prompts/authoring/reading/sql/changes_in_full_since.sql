-- As changes_since, with what each change was from, which only whoever may read texts sees.
SELECT h.action, h.kind, h.version, h.before, h.after
FROM prompt_history h
WHERE h.subject = %(name)s AND h.at > %(at)s AND h.kind IN ('template', 'label', 'name')
ORDER BY h.id DESC
