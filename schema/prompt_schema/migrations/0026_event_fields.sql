-- How a prompt was chosen and served, as events say it: ten more columns of executions, empty in all rows so far.
-- outside a transaction

-- the columns, with rules for new rows (locks prompt_executions for a moment)
ALTER TABLE public.prompt_executions
    ADD COLUMN IF NOT EXISTS experiment_id uuid,
    ADD COLUMN IF NOT EXISTS experiment_phase integer,
    ADD COLUMN IF NOT EXISTS assignment_unit varchar(255),
    ADD COLUMN IF NOT EXISTS prompt_source varchar(50),
    ADD COLUMN IF NOT EXISTS selection varchar(50),
    ADD COLUMN IF NOT EXISTS registry_revision bigint,
    ADD COLUMN IF NOT EXISTS language varchar(35),
    ADD COLUMN IF NOT EXISTS content_sha256 varchar(64),
    ADD COLUMN IF NOT EXISTS attempt integer,
    ADD COLUMN IF NOT EXISTS service varchar(100),
    DROP CONSTRAINT IF EXISTS prompt_executions_experiment_phase_check,
    DROP CONSTRAINT IF EXISTS prompt_executions_assignment_unit_check,
    DROP CONSTRAINT IF EXISTS prompt_executions_prompt_source_check,
    DROP CONSTRAINT IF EXISTS prompt_executions_content_sha256_check,
    DROP CONSTRAINT IF EXISTS prompt_executions_attempt_check,
    ADD CONSTRAINT prompt_executions_experiment_phase_check CHECK (experiment_phase >= 1) NOT VALID,
    -- Longer ones are stored as their hash.
    ADD CONSTRAINT prompt_executions_assignment_unit_check CHECK (octet_length(assignment_unit) <= 64) NOT VALID,
    ADD CONSTRAINT prompt_executions_prompt_source_check
        CHECK (prompt_source IN ('live', 'disk', 'builtin')) NOT VALID,
    -- That these are hex digits costs 7 µs a row here, and nothing where the event is read.
    ADD CONSTRAINT prompt_executions_content_sha256_check CHECK (octet_length(content_sha256) = 64) NOT VALID,
    ADD CONSTRAINT prompt_executions_attempt_check CHECK (attempt >= 1) NOT VALID;

-- the rules for old rows: they hold unless a table had such a column before (no writer waits)
ALTER TABLE public.prompt_executions
    VALIDATE CONSTRAINT prompt_executions_experiment_phase_check,
    VALIDATE CONSTRAINT prompt_executions_assignment_unit_check,
    VALIDATE CONSTRAINT prompt_executions_prompt_source_check,
    VALIDATE CONSTRAINT prompt_executions_content_sha256_check,
    VALIDATE CONSTRAINT prompt_executions_attempt_check;
