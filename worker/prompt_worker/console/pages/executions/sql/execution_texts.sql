-- The texts of an execution, in the order in which they came to be; of each its beginning, and how long it is.
SELECT t.name, length(t.text), left(t.text, %(longest)s)
FROM prompt_executions e
CROSS JOIN LATERAL (VALUES
    (1, 'input variables', jsonb_pretty(e.input_variables)), (2, 'rendered prompt', e.rendered_prompt),
    (3, 'model response', e.model_response), (4, 'error message', e.error_message),
    (5, 'inline violations', CASE WHEN e.guardrail_violations <> '[]' THEN jsonb_pretty(e.guardrail_violations) END)
) AS t (position, name, text)
WHERE e.id = %(id)s::uuid AND t.text IS NOT NULL
ORDER BY t.position
