-- Which of these events are rows already.
SELECT id FROM prompt_executions WHERE id = ANY(%(ids)s::uuid[])
