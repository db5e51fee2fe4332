-- Chats, model settings, output schemas and translations of a template, and the hash that names its content.

-- As in 0009: another of the cluster's databases may have made them, or be making them right now.
DO $$
DECLARE
    missing text;
BEGIN
    FOREACH missing IN ARRAY ARRAY['prompt_viewer', 'prompt_editor', 'prompt_approver', 'prompt_text_reader',
                                   'prompt_identity_provider']
    LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = missing);
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', missing);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL;
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION 'role % is missing, and % may not create roles', missing, current_user
                    USING ERRCODE = 'insufficient_privilege', HINT = format(
                        'As an administrator run: ALTER ROLE %I CREATEROLE; or: CREATE ROLE prompt_viewer NOLOGIN; '
                        'CREATE ROLE prompt_editor NOLOGIN; CREATE ROLE prompt_approver NOLOGIN; '
                        'CREATE ROLE prompt_text_reader NOLOGIN; CREATE ROLE prompt_identity_provider NOLOGIN; '
                        'then migrate again.', current_user);
        END;
    END LOOP;
END $$;

-- Each has a default that is no row's own, so no row is written.
ALTER TABLE prompt_templates
    ADD COLUMN IF NOT EXISTS messages jsonb,
    ADD COLUMN IF NOT EXISTS model_config jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS output_schema jsonb,
    ADD COLUMN IF NOT EXISTS content_sha256 varchar(64),
    ADD COLUMN IF NOT EXISTS author varchar(255);

CREATE TABLE prompt_translations (
    template_id uuid NOT NULL REFERENCES prompt_templates ON DELETE CASCADE,
    language varchar(35) NOT NULL CHECK (language ~ '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$'),
    template_text text,
    messages jsonb,
    PRIMARY KEY (template_id, language),
    CHECK ((template_text IS NULL) <> (messages IS NULL))
);

REVOKE ALL ON prompt_translations FROM PUBLIC;
