-- What an operation did to each dead letter, counted in the operation's own row as well.
WITH effects AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(events)s::uuid[], %(names)s::text[], %(reasons)s::text[])
        AS effect (id, event_id, name, reason)
), counted AS (
    SELECT name, count(*) AS number FROM effects GROUP BY name
), written AS (
    INSERT INTO dead_letter_outcomes (action_id, dead_letter_id, event_id, outcome, reason)
    SELECT %(action)s, id, event_id, name, reason FROM effects
)
UPDATE dead_letter_actions AS a
SET counts = a.counts || (
    SELECT jsonb_object_agg(name, number + coalesce((a.counts ->> name)::bigint, 0)) FROM counted
)
WHERE a.id = %(action)s AND EXISTS (SELECT FROM counted)
