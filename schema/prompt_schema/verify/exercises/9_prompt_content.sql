-- content of prompts, its hash, exercised
DO $$
DECLARE
    run_name text := 'verify ' || gen_random_uuid();
    template uuid;
    wrong text;
BEGIN
    SELECT string_agg(format('version %s of "%s"', version, name), ', ') INTO wrong
    FROM (
        SELECT name, version FROM prompt_templates t
        WHERE content_sha256 IS DISTINCT FROM prompt_content_sha256(template_text, messages, variables, model_config,
            output_schema, prompt_translations_of(id))
        ORDER BY name, version
        LIMIT 5
    ) unlike;
    ASSERT wrong IS NULL, 'the hash is another content''s: ' || wrong || '; was a trigger off while it was written? '
        'Run: UPDATE prompt_templates SET content_sha256 = NULL';

    SELECT string_agg(format('"%s"', name), ', ') INTO wrong
    FROM (
        SELECT DISTINCT t.name FROM prompt_templates t LEFT JOIN prompt_names n ON n.name = t.name
        WHERE n.name IS NULL OR n.next_version <= t.version
    ) behind;
    ASSERT wrong IS NULL, 'the next version number is used already: of ' || wrong;

    INSERT INTO prompt_templates (name, version, template_text) VALUES (run_name, NULL, E'a\r\nb')
    RETURNING id INTO template;
    ASSERT (SELECT (version, template_text, content_sha256)
                = (1, E'a\nb', prompt_content_sha256(E'a\nb', NULL, '[]', '{}', NULL, '{}'))
            FROM prompt_templates WHERE id = template),
        'a version is not saved as it should be: is trigger_keep_prompt_content in place?';
    INSERT INTO prompt_translations (template_id, language, template_text) VALUES (template, 'de', 'c');
    ASSERT (SELECT content_sha256 = prompt_content_sha256(E'a\nb', NULL, '[]', '{}', NULL, '{"de": "c"}')
            FROM prompt_templates WHERE id = template),
        'a translation does not change its version''s hash: is trigger_hash_translated_prompt in place?';
END $$;
