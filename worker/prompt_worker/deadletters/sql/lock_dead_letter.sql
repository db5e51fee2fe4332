-- One dead letter, locked: its body, and whether it may still be edited.
SELECT id, event_id, payload, status, superseded_by FROM dead_letter_events WHERE id = %(id)s FOR UPDATE
