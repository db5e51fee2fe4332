-- One dead letter, locked: its body, whether it may still be edited, and whose it is.
SELECT id, event_id, payload, status, superseded_by, consumer FROM dead_letter_events WHERE id = %(id)s FOR UPDATE
