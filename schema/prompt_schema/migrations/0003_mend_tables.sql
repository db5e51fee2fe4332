-- Time-ordered ids, an audit log that outlives its templates, known values only, the columns the event brings.

-- uuidv7() of PostgreSQL 18, for 15 to 17 as well: a random UUID with the milliseconds of now in its first six bytes.
CREATE OR REPLACE FUNCTION uuid_v7() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE SET search_path = pg_catalog
AS $$
    SELECT encode(set_bit(set_bit(overlay(
        uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
        52, 1), 53, 1), 'hex')::uuid
$$;

ALTER TABLE prompt_templates ALTER id SET DEFAULT uuid_v7();
ALTER TABLE prompt_executions ALTER id SET DEFAULT uuid_v7();
ALTER TABLE prompt_guardrails ALTER id SET DEFAULT uuid_v7();
ALTER TABLE ab_test_experiments ALTER id SET DEFAULT uuid_v7();

-- It allowed one inactive version per test group, and nothing where the group was null.
ALTER TABLE prompt_templates DROP CONSTRAINT IF EXISTS unique_active_template;
DROP INDEX IF EXISTS unique_active_template;

-- Foreign keys: whatever phase 1 called them, these three are what stands.
DO $$
DECLARE old record;
BEGIN
    FOR old IN
        SELECT conname, conrelid::regclass AS on_table FROM pg_constraint
        WHERE contype = 'f' AND confrelid = 'prompt_templates'::regclass
          AND conrelid IN ('prompt_templates'::regclass, 'prompt_executions'::regclass,
                           'ab_test_experiments'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', old.on_table, old.conname);
    END LOOP;
END $$;

ALTER TABLE prompt_templates ADD CONSTRAINT prompt_templates_parent_version_id_fkey
    FOREIGN KEY (parent_version_id) REFERENCES prompt_templates ON DELETE SET NULL;
ALTER TABLE prompt_executions ADD CONSTRAINT prompt_executions_template_id_fkey
    FOREIGN KEY (template_id) REFERENCES prompt_templates ON DELETE RESTRICT;
ALTER TABLE ab_test_experiments ADD CONSTRAINT ab_test_experiments_control_template_id_fkey
    FOREIGN KEY (control_template_id) REFERENCES prompt_templates ON DELETE RESTRICT;

UPDATE prompt_executions SET status = 'failure' WHERE status = 'error';

-- Old rows with a value unknown today are kept: their check then holds for new rows only (NOT VALID).
DO $$
DECLARE
    rule record;
    old name;
BEGIN
    FOR rule IN SELECT * FROM (VALUES
        ('prompt_templates', 'traffic_percentage', 'traffic_percentage BETWEEN 0 AND 100'),
        ('prompt_executions', 'status', $q$status IN ('success', 'failure', 'partial', 'blocked')$q$),
        ('prompt_guardrails', 'guardrail_type',
         $q$guardrail_type IN ('pii_detection', 'toxic_content', 'prompt_injection', 'content_policy')$q$),
        ('prompt_guardrails', 'severity', $q$severity IN ('critical', 'high', 'medium', 'low')$q$),
        ('prompt_guardrails', 'action', $q$action IN ('block', 'warn', 'log')$q$),
        ('ab_test_experiments', 'status', $q$status IN ('draft', 'active', 'paused', 'completed', 'cancelled')$q$)
    ) AS rules (on_table, checked, condition)
    LOOP
        FOR old IN
            SELECT conname FROM pg_constraint
            JOIN pg_attribute ON attrelid = conrelid AND conkey = ARRAY[attnum]
            WHERE contype = 'c' AND conrelid = rule.on_table::regclass AND attname = rule.checked
        LOOP
            EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', rule.on_table, old);
        END LOOP;
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I CHECK (%s) NOT VALID',
            rule.on_table, rule.on_table || '_' || rule.checked || '_check', rule.condition);
        BEGIN
            EXECUTE format('ALTER TABLE %I VALIDATE CONSTRAINT %I',
                rule.on_table, rule.on_table || '_' || rule.checked || '_check');
        EXCEPTION WHEN check_violation THEN
            RAISE WARNING '%.% holds values that are not known; they are kept, new rows are checked',
                rule.on_table, rule.checked;
        END;
    END LOOP;
END $$;

ALTER TABLE prompt_executions
    ADD COLUMN IF NOT EXISTS model varchar(100),
    ADD COLUMN IF NOT EXISTS provider varchar(100),
    ADD COLUMN IF NOT EXISTS input_tokens integer,
    ADD COLUMN IF NOT EXISTS output_tokens integer;
