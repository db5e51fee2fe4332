-- As 0003_mend_tables.sql, for a database in use: nothing reads all rows while writers wait.
-- outside a transaction

-- ids that are ordered by time
CREATE OR REPLACE FUNCTION public.uuid_v7() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE SET search_path = pg_catalog
AS $$
    SELECT encode(set_bit(set_bit(overlay(
        uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
        52, 1), 53, 1), 'hex')::uuid
$$;

-- the default of its id (locks prompt_executions for a moment)
ALTER TABLE public.prompt_executions ALTER id SET DEFAULT uuid_v7();
-- the default of its id (locks prompt_templates for a moment)
ALTER TABLE public.prompt_templates ALTER id SET DEFAULT uuid_v7();
-- the default of its id (locks prompt_guardrails for a moment)
ALTER TABLE public.prompt_guardrails ALTER id SET DEFAULT uuid_v7();
-- the default of its id (locks ab_test_experiments for a moment)
ALTER TABLE public.ab_test_experiments ALTER id SET DEFAULT uuid_v7();

-- unique_active_template goes: it allowed one inactive version per test group (locks prompt_templates for a moment)
ALTER TABLE public.prompt_templates DROP CONSTRAINT IF EXISTS unique_active_template;
-- nor as an index (locks prompt_templates for a moment)
DROP INDEX IF EXISTS public.unique_active_template;

-- the columns that the event brings (locks prompt_executions for a moment)
ALTER TABLE public.prompt_executions
    ADD COLUMN IF NOT EXISTS model varchar(100),
    ADD COLUMN IF NOT EXISTS provider varchar(100),
    ADD COLUMN IF NOT EXISTS input_tokens integer,
    ADD COLUMN IF NOT EXISTS output_tokens integer;

-- the three foreign keys, for new rows (locks prompt_executions, prompt_templates, ab_test_experiments for a moment)
DO $$
DECLARE old record;
BEGIN
    -- In the order of an insert's locks.
    LOCK TABLE public.prompt_executions, public.prompt_templates, public.ab_test_experiments IN ACCESS EXCLUSIVE MODE;
    FOR old IN
        SELECT conname, conrelid::regclass AS on_table FROM pg_constraint
        WHERE contype = 'f' AND confrelid = 'public.prompt_templates'::regclass
          AND conrelid IN ('public.prompt_templates'::regclass, 'public.prompt_executions'::regclass,
                           'public.ab_test_experiments'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', old.on_table, old.conname);
    END LOOP;
    ALTER TABLE public.prompt_templates ADD CONSTRAINT prompt_templates_parent_version_id_fkey
        FOREIGN KEY (parent_version_id) REFERENCES public.prompt_templates ON DELETE SET NULL NOT VALID;
    ALTER TABLE public.prompt_executions ADD CONSTRAINT prompt_executions_template_id_fkey
        FOREIGN KEY (template_id) REFERENCES public.prompt_templates ON DELETE RESTRICT NOT VALID;
    ALTER TABLE public.ab_test_experiments ADD CONSTRAINT ab_test_experiments_control_template_id_fkey
        FOREIGN KEY (control_template_id) REFERENCES public.prompt_templates ON DELETE RESTRICT NOT VALID;
END $$;

-- the foreign key of old executions (no writer waits)
ALTER TABLE public.prompt_executions VALIDATE CONSTRAINT prompt_executions_template_id_fkey;
-- the foreign key of old templates (no writer waits)
ALTER TABLE public.prompt_templates VALIDATE CONSTRAINT prompt_templates_parent_version_id_fkey;
-- the foreign key of old experiments (no writer waits)
ALTER TABLE public.ab_test_experiments VALIDATE CONSTRAINT ab_test_experiments_control_template_id_fkey;

-- known values only, for new rows (locks prompt_executions and the other tables for a moment)
DO $$
DECLARE
    rule record;
    old name;
BEGIN
    FOR rule IN SELECT * FROM (VALUES
        ('prompt_executions', 'status', $q$status IN ('success', 'failure', 'partial', 'blocked')$q$),
        ('prompt_templates', 'traffic_percentage', 'traffic_percentage BETWEEN 0 AND 100'),
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
            EXECUTE format('ALTER TABLE public.%I DROP CONSTRAINT %I', rule.on_table, old);
        END LOOP;
        EXECUTE format('ALTER TABLE public.%I ADD CONSTRAINT %I CHECK (%s) NOT VALID',
            rule.on_table, rule.on_table || '_' || rule.checked || '_check', rule.condition);
    END LOOP;
END $$;

-- status error becomes failure, in batches: nobody can write it any more (locks these rows for a moment)
DO $$
DECLARE
    blocks CONSTANT bigint := pg_relation_size('public.prompt_executions') / current_setting('block_size')::bigint;
    step CONSTANT bigint := 2000;
    first bigint := 0;
BEGIN
    WHILE first <= blocks LOOP
        UPDATE public.prompt_executions SET status = 'failure'
        WHERE status = 'error' AND ctid >= format('(%s,0)', first)::tid AND ctid < format('(%s,0)', first + step)::tid;
        COMMIT;
        first := first + step;
    END LOOP;
END $$;

-- known values of old rows; rows with others are kept, and the check then holds for new ones (no writer waits)
DO $$
DECLARE
    rule record;
BEGIN
    FOR rule IN SELECT * FROM (VALUES
        ('prompt_executions', 'status'), ('prompt_templates', 'traffic_percentage'),
        ('prompt_guardrails', 'guardrail_type'), ('prompt_guardrails', 'severity'), ('prompt_guardrails', 'action'),
        ('ab_test_experiments', 'status')
    ) AS rules (on_table, checked)
    LOOP
        BEGIN
            EXECUTE format('ALTER TABLE public.%I VALIDATE CONSTRAINT %I',
                rule.on_table, rule.on_table || '_' || rule.checked || '_check');
        EXCEPTION WHEN check_violation THEN
            RAISE WARNING '%.% holds values that are not known; they are kept, new rows are checked',
                rule.on_table, rule.checked;
        END;
    END LOOP;
END $$;
