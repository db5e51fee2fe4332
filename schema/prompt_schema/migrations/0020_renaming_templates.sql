-- Renaming a template beside writers: no deadlock, and its former name and version still resolve.

-- Writers share this lock from before their first lock on a template until they commit; an update of names waits for
-- them and then has all templates to itself. Without it both wait for each other: a foreign key locks templates in the
-- order of the rows, and a new name needs a stronger lock than the one that the statistics take in the order of ids.
CREATE FUNCTION public.share_template_names() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    key CONSTANT bigint := 7020100946810387;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(key);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION public.lock_template_activation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    key CONSTANT bigint := 7020100946810385;
    names CONSTANT bigint := 7020100946810387;
BEGIN
    PERFORM pg_advisory_xact_lock(key);
    IF TG_OP = 'UPDATE' THEN
        PERFORM pg_advisory_xact_lock(names);
        PERFORM FROM public.prompt_templates ORDER BY id FOR NO KEY UPDATE;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION public.keep_former_template_name() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO public.prompt_template_names (template_id, name, version)
    VALUES (OLD.id, OLD.name, OLD.version)
    ON CONFLICT (name, version, template_id) DO UPDATE SET until = now();
    RETURN NULL;
END $$;

REVOKE EXECUTE ON FUNCTION public.share_template_names, public.keep_former_template_name FROM PUBLIC;

CREATE TRIGGER trigger_share_template_names BEFORE INSERT ON public.prompt_executions
    FOR EACH STATEMENT EXECUTE FUNCTION public.share_template_names();
DROP TRIGGER trigger_lock_template_activation ON public.prompt_templates;
CREATE TRIGGER trigger_lock_template_activation
    BEFORE INSERT OR UPDATE OF name, version, is_active, ab_test_group ON public.prompt_templates
    FOR EACH STATEMENT EXECUTE FUNCTION public.lock_template_activation();
CREATE TRIGGER trigger_keep_former_template_name
    AFTER UPDATE OF name, version ON public.prompt_templates
    FOR EACH ROW WHEN (OLD.name <> NEW.name OR OLD.version <> NEW.version)
    EXECUTE FUNCTION public.keep_former_template_name();
