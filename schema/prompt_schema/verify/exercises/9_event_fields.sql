-- how a prompt was served, exercised: each value is kept, those that cannot be are refused
DO $$
DECLARE
    template uuid;
    kept prompt_executions;
    refused boolean;
    bad text;
    run_name text := 'verify ' || gen_random_uuid();
    insert_into CONSTANT text := 'INSERT INTO prompt_executions (template_id, template_name, template_version, '
        'input_variables, rendered_prompt, status, %s) VALUES (%L, %L, 1, ''{}'', ''-'', ''success'', %s) RETURNING *';
BEGIN
    INSERT INTO prompt_templates (name, template_text) VALUES (run_name, '-') RETURNING id INTO template;
    EXECUTE format(insert_into, 'experiment_id, experiment_phase, assignment_unit, prompt_source, selection, '
        'registry_revision, language, content_sha256, attempt, service', template, run_name,
        format('%L, 1, repeat(''u'', 64), ''live'', repeat(''s'', 50), 9223372036854775807, repeat(''l'', 35), '
               'repeat(''f'', 64), 1, repeat(''s'', 100)', template))
    INTO kept;
    ASSERT (kept.experiment_id, kept.experiment_phase, kept.assignment_unit, kept.prompt_source, kept.selection)
        = (template, 1, repeat('u', 64), 'live', repeat('s', 50)), 'an experiment or a selection is stored otherwise';
    ASSERT (kept.registry_revision, kept.language, kept.content_sha256, kept.attempt, kept.service)
        = (9223372036854775807, repeat('l', 35), repeat('f', 64), 1, repeat('s', 100)),
        'a revision, a language, a hash, an attempt or a service is stored otherwise';
    FOREACH bad IN ARRAY ARRAY['experiment_phase=0', 'assignment_unit=repeat(''é'', 33)', 'prompt_source=''cache''',
        'content_sha256=repeat(''f'', 63)', 'attempt=0']
    LOOP
        refused := false;
        BEGIN
            EXECUTE format(insert_into, split_part(bad, '=', 1), template, run_name, split_part(bad, '=', 2));
        EXCEPTION WHEN check_violation THEN
            refused := true;
        END;
        ASSERT refused, format('%s is accepted: is its check in place?', bad);
    END LOOP;
END $$;
