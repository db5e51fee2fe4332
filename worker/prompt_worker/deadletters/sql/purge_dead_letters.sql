-- Deletes the next settled dead letters.
WITH next AS (
    SELECT d.id FROM dead_letter_events AS d
    WHERE {condition} AND d.id > %(after)s
    ORDER BY d.id
    LIMIT %(number)s
    FOR UPDATE SKIP LOCKED
)
DELETE FROM dead_letter_events AS d USING next WHERE d.id = next.id
RETURNING d.id, d.event_id
