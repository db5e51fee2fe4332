-- Discards the next dead letters.
WITH next AS (
    SELECT d.id FROM dead_letter_events AS d
    WHERE {condition} AND d.id > %(after)s
    ORDER BY d.id
    LIMIT %(number)s
    FOR UPDATE SKIP LOCKED
)
UPDATE dead_letter_events AS d
SET status = 'discarded', discard_reason = %(discard_reason)s, changed_at = clock_timestamp()
FROM next
WHERE d.id = next.id
RETURNING d.id, d.event_id
