-- Chats, model settings, output schemas and translations of a template, and the hash that names its content.

-- Nothing that somebody else put into schema public is taken for an operator or a function of ours.
SET LOCAL search_path = pg_catalog, pg_temp;

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

-- Who acts: the login, or the person whom a login names that may do so. Both are stored everywhere.
CREATE FUNCTION public.current_prompt_actor() RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    person CONSTANT text := nullif(current_setting('prompt_worker.person', true), '');
BEGIN
    IF person IS NULL THEN
        RETURN session_user;
    END IF;
    IF NOT pg_has_role(session_user, 'prompt_identity_provider', 'USAGE') THEN
        RAISE EXCEPTION 'login % may not act for another person', session_user
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'RESET prompt_worker.person; only logins with the role prompt_identity_provider may set it.';
    END IF;
    RETURN person;
END $$;

-- As Python reads it: a number that is written with decimals is a float there, and an integer has all its digits.
CREATE FUNCTION public.prompt_canonical_number(value numeric) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $$
#variable_conflict use_variable
BEGIN
    -- Beyond the largest float: what reads it elsewhere fails, or takes it for infinite.
    IF abs(value) >= 1.8e308 THEN
        RAISE EXCEPTION 'a number of % digits is too large', length(trunc(abs(value))::text)
            USING ERRCODE = 'check_violation', HINT = 'Write it as a text.';
    END IF;
    RETURN CASE
        WHEN scale(value) = 0 THEN value::text
        WHEN abs(value) < 2.4703282292062328e-324 THEN '0' -- less than half of the smallest float
        ELSE trim_scale(value::float8::text::numeric)::text
    END;
END $$;

-- As content.py makes it: keys in the order of their code points, no spaces, numbers without an exponent.
CREATE FUNCTION public.prompt_canonical_json(value jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    CASE jsonb_typeof(value)
        WHEN 'object' THEN
            RETURN (
                SELECT '{' || coalesce(string_agg(
                    to_json(e.key)::text || ':' || public.prompt_canonical_json(e.value), ','
                    ORDER BY e.key COLLATE "C"), '') || '}'
                FROM jsonb_each(value) e);
        WHEN 'array' THEN
            RETURN (
                SELECT '[' || coalesce(string_agg(
                    public.prompt_canonical_json(e.item), ',' ORDER BY e.place), '') || ']'
                FROM jsonb_array_elements(value) WITH ORDINALITY e (item, place));
        WHEN 'number' THEN
            RETURN public.prompt_canonical_number(value::numeric);
        ELSE
            RETURN value::text;
    END CASE;
END $$;

CREATE FUNCTION public.prompt_sha256(value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT encode(sha256(convert_to(public.prompt_canonical_json($1), 'UTF8')), 'hex') $$;

-- Every line ends with a line feed alone.
CREATE FUNCTION public.prompt_unix(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT replace(replace($1, E'\r\n', E'\n'), E'\r', E'\n') $$;

-- The messages of a chat as they are stored: without nulls, lines as above. Null for a prompt that is one text.
CREATE FUNCTION public.prompt_messages(value jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    messages jsonb;
    valid boolean;
BEGIN
    IF value IS NULL OR jsonb_typeof(value) = 'null' THEN
        RETURN NULL;
    END IF;
    IF jsonb_typeof(value) = 'array' THEN
        SELECT jsonb_agg(
                   m.item || CASE jsonb_typeof(m.item -> 'content') WHEN 'string' THEN
                       jsonb_build_object('content', public.prompt_unix(m.item ->> 'content')) ELSE '{}' END
                   ORDER BY m.place),
               bool_and(coalesce(
                   (m.keys = ARRAY['content', 'role'] AND jsonb_typeof(m.item -> 'content') = 'string'
                    AND m.item ->> 'role' IN ('system', 'developer', 'user', 'assistant'))
                   OR (m.keys = ARRAY['history'] AND jsonb_typeof(m.item -> 'history') = 'string'), false))
        INTO messages, valid
        FROM (
            SELECT e.place, s.item,
                   (SELECT array_agg(k ORDER BY k COLLATE "C") FROM jsonb_object_keys(s.item) k) AS keys
            FROM jsonb_array_elements(value) WITH ORDINALITY e (item, place)
            CROSS JOIN LATERAL (SELECT CASE jsonb_typeof(e.item) WHEN 'object' THEN jsonb_strip_nulls(e.item)
                                                                 ELSE '{}' END) s (item)
        ) m;
    END IF;
    IF valid THEN
        RETURN messages;
    END IF;
    RAISE EXCEPTION 'messages of a prompt are a list, and each has a role and content, or history'
        USING ERRCODE = 'check_violation',
              HINT = 'Roles are system, developer, user and assistant; history names the variable with earlier turns.';
END $$;

-- Their texts for readers of one text.
CREATE FUNCTION public.prompt_joined_text(messages jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(string_agg(e.item ->> 'content', E'\n\n' ORDER BY e.place), '')
    FROM jsonb_array_elements($1) WITH ORDINALITY e (item, place)
$$;

CREATE FUNCTION public.prompt_content_sha256(
    template_text text, messages jsonb, variables jsonb, model_config jsonb, output_schema jsonb, translations jsonb
) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT public.prompt_sha256(jsonb_build_object(
        'template_text', public.prompt_unix($1), 'messages', $2,
        'variables', coalesce(nullif($3, 'null'), '[]'), 'model_config', coalesce(nullif($4, 'null'), '{}'),
        'output_schema', $5, 'translations', coalesce($6, '{}')))
$$;

-- Each has a default that is no row's own, so no row is written.
ALTER TABLE public.prompt_templates
    ADD COLUMN IF NOT EXISTS messages jsonb,
    ADD COLUMN IF NOT EXISTS model_config jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS output_schema jsonb,
    ADD COLUMN IF NOT EXISTS content_sha256 varchar(64),
    ADD COLUMN IF NOT EXISTS author varchar(255);

CREATE TABLE public.prompt_translations (
    template_id uuid NOT NULL REFERENCES public.prompt_templates ON DELETE CASCADE,
    language varchar(35) NOT NULL CHECK (language ~ '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$'),
    template_text text,
    messages jsonb,
    PRIMARY KEY (template_id, language),
    CHECK ((template_text IS NULL) <> (messages IS NULL))
);

REVOKE ALL ON public.prompt_translations FROM PUBLIC;

-- A text or messages by language.
CREATE FUNCTION public.prompt_translations_of(template uuid) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(jsonb_object_agg(t.language, coalesce(t.messages, to_jsonb(t.template_text))), '{}')
    FROM public.prompt_translations t WHERE t.template_id = $1
$$;

UPDATE public.prompt_templates SET content_sha256 =
    public.prompt_content_sha256(template_text, messages, variables, model_config, output_schema, '{}');

-- The hash, and whose content it is, are never what a client says.
CREATE FUNCTION public.keep_prompt_content() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    joined text;
BEGIN
    NEW.messages := public.prompt_messages(NEW.messages);
    NEW.output_schema := nullif(NEW.output_schema, 'null');
    IF NEW.messages IS NULL THEN
        NEW.template_text := public.prompt_unix(NEW.template_text);
    ELSE
        joined := public.prompt_joined_text(NEW.messages);
        IF TG_OP = 'UPDATE' AND NEW.messages = OLD.messages AND public.prompt_unix(NEW.template_text) <> joined THEN
            RAISE EXCEPTION 'version % of "%" is a chat: its template_text follows from its messages',
                NEW.version, NEW.name USING ERRCODE = 'check_violation', HINT = 'Change messages.';
        END IF;
        NEW.template_text := joined;
    END IF;
    NEW.content_sha256 := public.prompt_content_sha256(NEW.template_text, NEW.messages, NEW.variables,
        NEW.model_config, NEW.output_schema, public.prompt_translations_of(NEW.id));
    IF TG_OP = 'UPDATE' AND NEW.content_sha256 = OLD.content_sha256 THEN
        NEW.author := OLD.author;
    ELSE
        NEW.author := public.current_prompt_actor();
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION public.keep_translation_content() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.messages := public.prompt_messages(NEW.messages);
    NEW.template_text := public.prompt_unix(NEW.template_text);
    RETURN NEW;
END $$;

-- A translation belongs to the content of its version. Where the version itself is being deleted there is none.
CREATE FUNCTION public.hash_translated_prompt() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE public.prompt_templates SET content_sha256 = NULL WHERE id = OLD.template_id;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        UPDATE public.prompt_templates SET content_sha256 = NULL WHERE id = NEW.template_id;
    END IF;
    RETURN NULL;
END $$;

REVOKE EXECUTE ON FUNCTION public.keep_prompt_content, public.keep_translation_content,
    public.hash_translated_prompt FROM PUBLIC;

CREATE TRIGGER trigger_keep_prompt_content
    BEFORE INSERT OR UPDATE OF template_text, messages, variables, model_config, output_schema, content_sha256, author
    ON public.prompt_templates
    FOR EACH ROW EXECUTE FUNCTION public.keep_prompt_content();
CREATE TRIGGER trigger_keep_translation_content
    BEFORE INSERT OR UPDATE ON public.prompt_translations
    FOR EACH ROW EXECUTE FUNCTION public.keep_translation_content();
CREATE TRIGGER trigger_hash_translated_prompt
    AFTER INSERT OR UPDATE OR DELETE ON public.prompt_translations
    FOR EACH ROW EXECUTE FUNCTION public.hash_translated_prompt();
