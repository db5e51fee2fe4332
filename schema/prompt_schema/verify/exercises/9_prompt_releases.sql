-- revision, freeze and approvals of prompts, exercised
DO $$
DECLARE
    run_name text := 'verify ' || gen_random_uuid();
    first uuid;
    second uuid;
    before bigint;
BEGIN
    ASSERT (SELECT count(*) FROM prompt_registry) = 1, 'prompt_registry has not one row: restore it from a backup';
    UPDATE prompt_registry SET "freeze" = 'enforce';
    SELECT revision INTO before FROM prompt_registry;
    INSERT INTO prompt_templates (name, version, template_text, is_active) VALUES (run_name, NULL, 'a', true)
    RETURNING id INTO first;
    ASSERT (SELECT revision FROM prompt_registry) = before + 1,
        'a new version does not count the revision up: is trigger_begin_template_change in place?';
    ASSERT (SELECT array_agg(action::text ORDER BY id) FROM prompt_history WHERE subject = run_name)
        = ARRAY['created', 'activated'], 'an activation is not in the history';

    BEGIN
        UPDATE prompt_templates SET template_text = 'b' WHERE id = first;
        ASSERT false, 'the text of an active version changed: is trigger_refuse_frozen_prompt in place?';
    EXCEPTION WHEN SQLSTATE 'PW001' THEN
        NULL;
    END;

    UPDATE prompt_names SET approvals_needed = 1 WHERE name = run_name;
    INSERT INTO prompt_templates (name, version, template_text) VALUES (run_name, NULL, 'b') RETURNING id INTO second;
    BEGIN
        UPDATE prompt_templates SET is_active = true WHERE id = second;
        ASSERT false, 'a version became active without the approval it needs: is trigger_require_approvals in place?';
    EXCEPTION WHEN SQLSTATE 'PW002' THEN
        NULL;
    END;
    BEGIN
        INSERT INTO prompt_reviews (template_id, content_sha256, verdict)
        SELECT id, content_sha256, 'approved' FROM prompt_templates WHERE id = second;
        ASSERT false, 'an author approved: is trigger_stamp_prompt_review in place?';
    EXCEPTION WHEN SQLSTATE 'PW002' THEN
        NULL;
    END;
    ASSERT (SELECT array_agg(version ORDER BY version) FROM prompt_templates WHERE name = run_name AND is_active)
        = ARRAY[1], 'another version is active than the one that was released';

    BEGIN
        DELETE FROM prompt_history;
        ASSERT false, 'the history was deleted: is trigger_refuse_change_of_history in place?';
    EXCEPTION WHEN SQLSTATE 'PW004' THEN
        NULL;
    END;
END $$;
