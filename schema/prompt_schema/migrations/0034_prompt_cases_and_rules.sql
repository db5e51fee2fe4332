-- Saved inputs get a right of their own, what a rule serves is frozen, and nobody empties a table whose changes are recorded.

-- Nothing that somebody else put into schema public is taken for an operator or a function of ours.
SET LOCAL search_path = pg_catalog, pg_temp;

-- As in 0009: another of the cluster's databases may have made it, or be making it right now.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'prompt_case_editor') THEN
        CREATE ROLE prompt_case_editor NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN
        NULL;
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'role prompt_case_editor is missing, and % may not create roles', current_user
            USING ERRCODE = 'insufficient_privilege', HINT = format(
                'As an administrator run: ALTER ROLE %I CREATEROLE; or: CREATE ROLE prompt_case_editor NOLOGIN; '
                'then migrate again.', current_user);
END $$;

-- `execution_id`: what it was taken from, so that whoever erases executions finds it.
ALTER TABLE public.prompt_cases
    ADD COLUMN language varchar(35),
    ADD COLUMN execution_id uuid,
    ADD CONSTRAINT prompt_cases_input_variables_check CHECK (jsonb_typeof(input_variables) = 'object');
CREATE INDEX idx_prompt_cases_execution ON public.prompt_cases (execution_id) WHERE execution_id IS NOT NULL;

-- What users wrote is kept here for longer than executions are: whoever writes prompts neither reads nor saves it by that.
REVOKE SELECT, INSERT, DELETE ON public.prompt_cases FROM prompt_editor;
REVOKE INSERT (name, input_variables, note) ON public.prompt_cases FROM prompt_editor;
GRANT SELECT (id, name, language, execution_id, note, created_by, created_at) ON public.prompt_cases
    TO prompt_viewer, prompt_editor, prompt_approver, prompt_operator, prompt_case_editor;
GRANT INSERT (name, input_variables, language, execution_id, note), DELETE ON public.prompt_cases TO prompt_case_editor;
GRANT SELECT ON public.prompt_templates TO prompt_case_editor;
GRANT SELECT ON public.schema_migrations TO prompt_case_editor;
GRANT USAGE ON SCHEMA public TO prompt_case_editor;

-- The saved inputs of a prompt without what users wrote, in their order.
CREATE FUNCTION public.masked_prompt_cases(prompt text)
RETURNS TABLE (id bigint, note text, input_variables jsonb, language varchar)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.id, c.note, public.mask_json(c.input_variables), c.language
    FROM public.prompt_cases c WHERE c.name = prompt ORDER BY c.id
$$;
REVOKE EXECUTE ON FUNCTION public.masked_prompt_cases FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.masked_prompt_cases
    TO prompt_viewer, prompt_editor, prompt_approver, prompt_case_editor;

-- How somebody was or is served a version directly; null where nobody could be.
CREATE FUNCTION public.prompt_served_because(template uuid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN t.is_active THEN 'is active'
        WHEN EXISTS (SELECT FROM public.prompt_labels l WHERE l.template_id = t.id) THEN 'has a label'
        WHEN EXISTS (
            SELECT FROM public.prompt_names n CROSS JOIN LATERAL jsonb_array_elements(n.rules) AS r (served)
            WHERE n.name = t.name AND r.served -> 'version' = to_jsonb(t.version)) THEN 'is served by a rule'
        WHEN EXISTS (SELECT FROM public.prompt_executions e WHERE e.template_id = t.id) THEN 'was executed'
        -- Also before it is first executed: of one that has started.
        WHEN EXISTS (
            SELECT FROM public.ab_test_experiments e
            JOIN public.ab_test_phases p ON p.experiment_id = e.id AND p.phase = 1
            CROSS JOIN LATERAL jsonb_each_text(e.arms) a
            WHERE a.value = t.id::text) THEN 'is an arm of an experiment'
        WHEN t.deactivated_at IS NOT NULL OR EXISTS (
            SELECT FROM public.prompt_history h
            WHERE h.subject = t.name AND h.version = t.version AND h.action IN ('activated', 'labelled'))
            OR EXISTS (
            SELECT FROM public.prompt_history h CROSS JOIN LATERAL jsonb_array_elements(h.before -> 'rules') AS r (served)
            WHERE h.subject = t.name AND h.action = 'rules' AND r.served -> 'version' = to_jsonb(t.version))
            THEN 'was served'
    END
    FROM public.prompt_templates t WHERE t.id = $1
$$;

-- The versions that include this one by its number, and those that include them so.
CREATE FUNCTION public.prompts_including(template uuid) RETURNS SETOF uuid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE includers AS (
        SELECT t.id, t.name || '@' || t.version AS ref FROM public.prompt_templates t WHERE t.id = $1
        UNION
        SELECT o.id, o.name || '@' || o.version
        FROM includers i
        CROSS JOIN LATERAL (VALUES ('"' || i.ref || '"'), ('''' || i.ref || '''')) written (ref)
        JOIN public.prompt_templates o
            ON strpos(o.template_text, written.ref) > 0
            OR EXISTS (SELECT FROM public.prompt_translations l
                       WHERE l.template_id = o.id AND strpos(
                           coalesce(l.template_text, public.prompt_joined_text(l.messages)), written.ref) > 0)
    )
    SELECT id FROM includers WHERE id <> $1
$$;

-- Why the content of a version may not change any more; null where it may. Who includes it by its number is served it.
CREATE OR REPLACE FUNCTION public.prompt_frozen_because(template uuid) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(
        public.prompt_served_because(t.id),
        CASE
            WHEN EXISTS (
                SELECT FROM public.prompt_reviews r
                WHERE r.template_id = t.id AND r.content_sha256 = t.content_sha256 AND r.verdict = 'approved'
                  AND NOT EXISTS (SELECT FROM public.prompt_reviews later
                                  WHERE later.template_id = t.id AND later.content_sha256 = r.content_sha256
                                    AND later.reviewer = r.reviewer AND later.id > r.id AND later.verdict = 'rejected'))
                THEN 'is approved'
            WHEN EXISTS (SELECT FROM public.prompts_including(t.id) includer
                         WHERE public.prompt_served_because(includer) IS NOT NULL)
                THEN 'is included by what is or was served'
        END)
    FROM public.prompt_templates t WHERE t.id = $1
$$;

-- A rule serves a version in place of production, to all whose context fits: with the approvals that production needs.
CREATE FUNCTION public.require_approvals_of_rules() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Refuses a number that no service can read.
    PERFORM public.prompt_canonical_json(NEW.rules);
    PERFORM public.require_prompt_release(t)
    FROM jsonb_array_elements(NEW.rules) AS r (served)
    JOIN public.prompt_templates t ON t.name = NEW.name AND t.is_active IS NOT TRUE AND (
        r.served -> 'version' = to_jsonb(t.version)
        OR t.id = (SELECT l.template_id FROM public.prompt_labels l
                   WHERE l.name = NEW.name AND l.label = r.served ->> 'label'))
    -- What was served before is served on.
    WHERE TG_OP = 'INSERT'
       OR NOT EXISTS (SELECT FROM jsonb_array_elements(OLD.rules) AS o (served) WHERE o.served = r.served);
    RETURN NEW;
END $$;

-- The same where a label moves that a rule serves.
CREATE FUNCTION public.require_approvals_of_ruled_label() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM public.require_prompt_release(t)
    FROM public.prompt_templates t
    WHERE t.id = NEW.template_id AND t.is_active IS NOT TRUE AND EXISTS (
        SELECT FROM public.prompt_names n
        WHERE n.name = NEW.name AND n.rules @> jsonb_build_array(jsonb_build_object('label', NEW.label)));
    RETURN NEW;
END $$;

REVOKE EXECUTE ON FUNCTION public.prompt_served_because, public.prompts_including, public.require_approvals_of_rules,
    public.require_approvals_of_ruled_label FROM PUBLIC;

CREATE TRIGGER trigger_require_approvals_of_rules
    BEFORE INSERT OR UPDATE OF rules ON public.prompt_names
    FOR EACH ROW WHEN (NEW.rules <> '[]') EXECUTE FUNCTION public.require_approvals_of_rules();
CREATE TRIGGER trigger_require_approvals_of_ruled_label
    BEFORE INSERT OR UPDATE ON public.prompt_labels
    FOR EACH ROW EXECUTE FUNCTION public.require_approvals_of_ruled_label();

-- TRUNCATE fires no trigger of a row: nobody could say later what was there, and services would hear nothing of it.
CREATE FUNCTION public.refuse_truncation() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% is not emptied at once: the history has each of its rows', TG_TABLE_NAME
        USING ERRCODE = 'PW004', HINT = 'DELETE the rows.';
END $$;
REVOKE EXECUTE ON FUNCTION public.refuse_truncation FROM PUBLIC;

CREATE TRIGGER trigger_refuse_truncating_templates
    BEFORE TRUNCATE ON public.prompt_templates FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_truncation();
CREATE TRIGGER trigger_refuse_truncating_translations
    BEFORE TRUNCATE ON public.prompt_translations FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_truncation();
CREATE TRIGGER trigger_refuse_truncating_labels
    BEFORE TRUNCATE ON public.prompt_labels FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_truncation();
CREATE TRIGGER trigger_refuse_truncating_names
    BEFORE TRUNCATE ON public.prompt_names FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_truncation();
CREATE TRIGGER trigger_refuse_truncating_former_names
    BEFORE TRUNCATE ON public.prompt_template_names FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_truncation();
CREATE TRIGGER trigger_refuse_truncating_policies
    BEFORE TRUNCATE ON public.prompt_policies FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_truncation();
CREATE TRIGGER trigger_refuse_truncating_registry
    BEFORE TRUNCATE ON public.prompt_registry FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_truncation();
CREATE TRIGGER trigger_refuse_truncating_experiments
    BEFORE TRUNCATE ON public.ab_test_experiments FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_truncation();
CREATE TRIGGER trigger_refuse_truncating_guardrails
    BEFORE TRUNCATE ON public.prompt_guardrails FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_truncation();
