-- executions outlive their template, exercised
DO $$
DECLARE
    template uuid;
BEGIN
    INSERT INTO prompt_templates (name, template_text) VALUES ('verify ' || gen_random_uuid(), '-')
    RETURNING id INTO template;
    INSERT INTO prompt_executions (template_id, template_name, template_version, input_variables, rendered_prompt,
        status)
    VALUES (template, 'verify', 1, '{}', '-', 'success');
    BEGIN
        DELETE FROM prompt_templates WHERE id = template;
        ASSERT false, 'a template with executions could be deleted: its foreign key must be ON DELETE RESTRICT';
    EXCEPTION WHEN foreign_key_violation OR restrict_violation THEN
        NULL;
    END;
END $$;
