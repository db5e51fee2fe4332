-- What one execution of a prompt was given, as a case of it.
INSERT INTO prompt_cases (name, input_variables, language, execution_id, note)
SELECT %(name)s, x.input_variables::jsonb, x.language, x.id, %(note)s
FROM prompt_executions x
WHERE x.id = %(execution)s::uuid AND x.template_name = %(name)s AND jsonb_typeof(x.input_variables::jsonb) = 'object'
RETURNING id
