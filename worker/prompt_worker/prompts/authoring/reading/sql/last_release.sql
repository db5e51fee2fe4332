-- Who put what is in production there, at a moment or now.
SELECT h.at, h.who, h.reason
FROM prompt_history h
WHERE h.subject = %(name)s AND h.version = %(version)s AND h.kind = 'template' AND h.action = 'activated'
  AND (%(at)s IS NULL OR h.at <= %(at)s)
ORDER BY h.id DESC
LIMIT 1
