-- What an action did to each event, counted in the action's own row as well.
WITH told AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(events)s::uuid[], %(outcomes)s::text[], %(reasons)s::text[])
        AS told (id, event_id, outcome, reason)
), counted AS (
    SELECT outcome, count(*) AS number FROM told GROUP BY outcome
), written AS (
    INSERT INTO dead_letter_outcomes (action_id, dead_letter_id, event_id, outcome, reason)
    SELECT %(action)s, id, event_id, outcome, reason FROM told
)
UPDATE dead_letter_actions AS a
SET counts = a.counts || (
    SELECT jsonb_object_agg(outcome, number + coalesce((a.counts ->> outcome)::bigint, 0)) FROM counted
)
WHERE a.id = %(action)s AND EXISTS (SELECT FROM counted)
