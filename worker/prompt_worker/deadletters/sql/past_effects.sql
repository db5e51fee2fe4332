-- What was done to a dead letter, given by its id or its event's, or by an action, given by its id; the oldest first.
SELECT o.happened_at, a.action, a.by, o.dead_letter_id, o.outcome, o.reason, d.status, d.times_seen
FROM dead_letter_outcomes AS o
JOIN dead_letter_actions AS a ON a.id = o.action_id
LEFT JOIN dead_letter_events AS d ON d.id = o.dead_letter_id
WHERE o.dead_letter_id = %(id)s OR o.event_id = %(id)s OR o.action_id = %(id)s
ORDER BY o.happened_at, o.dead_letter_id
LIMIT %(limit)s
