-- Which of these events are already evaluated.
SELECT event_id::text FROM guardrail_evaluations WHERE event_id = ANY(%(ids)s::uuid[])
