-- What operators did to one dead letter, the oldest first.
SELECT a.id AS action_id, a.action, a.by, o.happened_at, o.outcome, o.reason
FROM dead_letter_outcomes AS o JOIN dead_letter_actions AS a ON a.id = o.action_id
WHERE o.dead_letter_id = %(id)s
ORDER BY o.happened_at
