-- How many messages of a topic are known since a moment, up to a limit. Of a topic of events, which `consumer` names:
-- the rows, by the time in their ids (UUID version 7), and the dead letters that are not rows. Of the dead-letter topic
-- (NULL): the dead letters.
SELECT count(*)
FROM (
    SELECT FROM prompt_executions WHERE %(consumer)s = 'executions' AND id BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT FROM prompt_feedback WHERE %(consumer)s = 'feedback' AND event_id BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT FROM dead_letter_events
    WHERE last_seen >= %(since)s AND superseded_by IS NULL
        AND (%(consumer)s::text IS NULL OR (consumer = %(consumer)s::text AND status <> 'resolved'))
    LIMIT %(limit)s
) AS since
