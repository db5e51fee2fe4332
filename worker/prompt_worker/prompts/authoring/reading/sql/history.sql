-- The newest rows, of one subject or of all; not what a change was from and to, which may be texts.
SELECT h.id, h.at, h.who, h.login, h.action, h.kind, h.subject, h.version, h.reason
FROM prompt_history h
WHERE (%(subject)s IS NULL OR h.subject = %(subject)s)
ORDER BY h.id DESC
LIMIT %(limit)s
