-- Who saved the inputs of a prompt and when, without them.
SELECT c.id, c.execution_id::text, c.created_by, c.created_at
FROM prompt_cases c
WHERE c.name = %s
ORDER BY c.id
