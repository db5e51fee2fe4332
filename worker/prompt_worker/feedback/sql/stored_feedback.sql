-- Which of these events are rows already.
SELECT event_id FROM prompt_feedback WHERE event_id = ANY(%(ids)s::uuid[])
