-- How many messages of a topic are known since a moment, up to a limit. Of the events' topic: the rows, by the time in
-- their ids (UUID version 7), and the dead letters that are not rows. Of the dead-letter topic: the dead letters.
SELECT count(*)
FROM (
    SELECT FROM prompt_executions WHERE %(events)s AND id BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT FROM dead_letter_events
    WHERE last_seen >= %(since)s AND superseded_by IS NULL
        AND (NOT %(events)s OR (consumer = 'executions' AND status <> 'resolved'))
    LIMIT %(limit)s
) AS since
