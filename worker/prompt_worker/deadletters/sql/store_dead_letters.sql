-- Stores dead letters, one for each event, or counts one again where another message of its event failed. Returns those
-- that changed anything.
INSERT INTO dead_letter_events AS d (
    consumer, event_key, event_id, source, subscription, error_class, reason, cause, template_name, template_version,
    environment, payload, attributes, delivery_attempts, occurrences, first_seen, last_seen, status
)
SELECT n.consumer, n.event_key, n.event_id, n.source, n.subscription, n.error_class, n.reason, n.cause, n.template_name,
       n.template_version, n.environment, n.payload, n.attributes, n.delivery_attempts, ARRAY[n.occurrence],
       n.first_seen, n.last_seen,
       CASE WHEN CASE n.consumer
           WHEN 'executions' THEN EXISTS (SELECT FROM prompt_executions e WHERE e.id = n.event_id)
           WHEN 'feedback' THEN EXISTS (SELECT FROM prompt_feedback e WHERE e.event_id = n.event_id)
           ELSE EXISTS (SELECT FROM guardrail_evaluations e WHERE e.event_id = n.event_id)
       END THEN 'resolved' ELSE 'pending' END
FROM unnest(
    %(consumer)s::text[], %(event_key)s::uuid[], %(event_id)s::uuid[], %(source)s::text[], %(subscription)s::text[],
    %(error_class)s::text[], %(reason)s::text[], %(cause)s::bigint[], %(template_name)s::text[],
    %(template_version)s::integer[], %(environment)s::text[], %(payload)s::bytea[], %(attributes)s::jsonb[],
    %(delivery_attempts)s::integer[], %(occurrence)s::text[], %(first_seen)s::timestamptz[], %(last_seen)s::timestamptz[]
) AS n (consumer, event_key, event_id, source, subscription, error_class, reason, cause, template_name,
        template_version, environment, payload, attributes, delivery_attempts, occurrence, first_seen, last_seen)
-- A corrected one stays discarded when its message is redelivered, even where the copy has another key.
WHERE NOT EXISTS (
    SELECT FROM dead_letter_events o
    WHERE o.event_key = n.event_key AND o.consumer = n.consumer AND o.superseded_by IS NOT NULL
        AND n.occurrence = ANY (o.occurrences)
)
ON CONFLICT (event_key, consumer) WHERE superseded_by IS NULL DO UPDATE
SET source = excluded.source,
    subscription = excluded.subscription,
    error_class = excluded.error_class,
    reason = excluded.reason,
    cause = excluded.cause,
    delivery_attempts = excluded.delivery_attempts,
    -- The latest hundred: an event may fail forever.
    occurrences = (d.occurrences || excluded.occurrences)[greatest(1, cardinality(d.occurrences) - 98):],
    first_seen = least(d.first_seen, excluded.first_seen),
    last_seen = greatest(d.last_seen, excluded.last_seen),
    times_seen = d.times_seen + 1,
    status = excluded.status,
    changed_at = clock_timestamp(), -- later than the replay that this may have waited for
    discard_reason = NULL
WHERE excluded.occurrences[1] <> ALL (d.occurrences)
RETURNING d.event_key, d.consumer
