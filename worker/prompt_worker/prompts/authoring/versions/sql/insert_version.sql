-- A version that is not active, with the next number of its name. What the candidate leaves out is as its parent has it.
INSERT INTO prompt_templates (name, version, description, category, template_text, messages, variables, model_config,
                              output_schema, parent_version_id, created_by, updated_by)
SELECT %(name)s, NULL, coalesce(%(description)s, parent.description),
       coalesce(%(category)s, parent.category), %(template_text)s, %(messages)s::jsonb, %(variables)s::jsonb,
       %(model_config)s::jsonb, %(output_schema)s::jsonb, parent.id, %(by)s, %(by)s
FROM (VALUES (%(name)s, %(parent)s::integer)) AS wanted (name, version)
LEFT JOIN prompt_templates parent USING (name, version)
RETURNING id::text, version
