-- What an owner changed of a name after a moment, the newest first.
SELECT h.action, h.kind, h.version
FROM prompt_history h
WHERE h.subject = %(name)s AND h.at > %(at)s AND h.kind IN ('template', 'label', 'name')
ORDER BY h.id DESC
