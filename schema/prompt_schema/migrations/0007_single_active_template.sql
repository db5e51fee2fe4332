-- One active version per name among those in no A/B test: an index says so, a trigger makes room for a new one.

-- Phase 1 let two activations at once both win: the newest version stays active.
UPDATE prompt_templates older
SET is_active = false, deactivated_at = now(), deactivated_by = 'migration', updated_at = now()
WHERE is_active AND ab_test_group IS NULL
  AND EXISTS (
      SELECT FROM prompt_templates newer
      WHERE newer.name = older.name AND newer.is_active AND newer.ab_test_group IS NULL
        AND newer.version > older.version);

CREATE UNIQUE INDEX idx_prompt_templates_single_active ON prompt_templates (name)
    WHERE is_active AND ab_test_group IS NULL;

-- One activation at a time. An update locks all templates in the order of the statistics' locks before it locks its
-- own row and then that of the version it replaces: the two would otherwise deadlock.
CREATE FUNCTION lock_template_activation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
    key CONSTANT bigint := 7020100946810385;
BEGIN
    PERFORM pg_advisory_xact_lock(key);
    IF TG_OP = 'UPDATE' THEN
        PERFORM FROM prompt_templates ORDER BY id FOR NO KEY UPDATE;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION enforce_single_active_template() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.is_active AND OLD.ab_test_group IS NULL AND OLD.name = NEW.name THEN
        RETURN NEW; -- it was the active one already
    END IF;
    UPDATE prompt_templates
    SET is_active = false, deactivated_at = now(), deactivated_by = coalesce(NEW.updated_by, NEW.created_by),
        updated_at = now()
    WHERE name = NEW.name AND is_active AND ab_test_group IS NULL AND id <> NEW.id;
    NEW.deactivated_at := NULL;
    NEW.deactivated_by := NULL;
    RETURN NEW;
END $$;

REVOKE EXECUTE ON FUNCTION lock_template_activation, enforce_single_active_template FROM PUBLIC;

CREATE TRIGGER trigger_lock_template_activation
    BEFORE INSERT OR UPDATE OF name, is_active, ab_test_group ON prompt_templates
    FOR EACH STATEMENT EXECUTE FUNCTION lock_template_activation();
CREATE TRIGGER trigger_enforce_single_active_template
    BEFORE INSERT OR UPDATE OF name, is_active, ab_test_group ON prompt_templates
    FOR EACH ROW WHEN (NEW.is_active AND NEW.ab_test_group IS NULL)
    EXECUTE FUNCTION enforce_single_active_template();
