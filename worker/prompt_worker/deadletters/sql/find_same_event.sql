-- Another open dead letter of the event that a correction is about to have, of the same worker.
SELECT d.id
FROM dead_letter_events AS d JOIN dead_letter_events AS original USING (consumer)
WHERE d.event_key = %(event_id)s AND original.id = %(original)s AND d.superseded_by IS NULL
