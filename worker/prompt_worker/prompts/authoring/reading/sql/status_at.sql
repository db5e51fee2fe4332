-- What the first change of an experiment's status after a moment was from: what it was at that moment.
SELECT h.before ->> 'status'
FROM prompt_history h
WHERE h.kind = 'experiment' AND h.subject = %(name)s AND h.at > %(at)s AND h.before ? 'status'
ORDER BY h.id
LIMIT 1
