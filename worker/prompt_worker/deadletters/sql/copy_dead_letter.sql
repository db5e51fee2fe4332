-- The corrected copy of a dead letter, with the original's history and a body of its own. Its failures count on the copy.
INSERT INTO dead_letter_events (
    id, edited_from, consumer, event_key, event_id, source, subscription, error_class, reason, cause, template_name,
    template_version, environment, payload, attributes, delivery_attempts, occurrences, first_seen, last_seen,
    times_seen, replay_count
)
SELECT %(id)s, id, consumer, %(event_id)s, %(event_id)s, source, subscription, error_class, reason, cause,
       %(template_name)s, %(template_version)s, %(environment)s, %(payload)s, attributes, delivery_attempts,
       occurrences, first_seen, last_seen, times_seen, replay_count
FROM dead_letter_events
WHERE id = %(original)s
