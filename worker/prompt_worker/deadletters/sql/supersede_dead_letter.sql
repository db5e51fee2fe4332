-- Discards a dead letter in favour of its corrected copy, whose id this returns.
UPDATE dead_letter_events
SET status = 'discarded', discard_reason = 'edited', changed_at = now(), superseded_by = uuid_v7()
WHERE id = %(id)s
RETURNING superseded_by
