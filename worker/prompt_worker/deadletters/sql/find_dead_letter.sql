-- One dead letter by its id, or the current one of an event by the event's id.
SELECT d.*
FROM dead_letter_events AS d
WHERE d.id = %(id)s OR d.event_id = %(id)s
ORDER BY (d.id = %(id)s) DESC, d.superseded_by IS NULL DESC, d.id DESC
LIMIT 1
