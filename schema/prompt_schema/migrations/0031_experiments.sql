-- Experiments that assign by unit: arms, phases and looks; which rows of an experiment count, by unit and by arm.

-- In the order in which a writer of executions takes them: it would otherwise wait for a table of this migration and
-- hold the statistics' lock, for which this migration waits.
LOCK TABLE prompt_executions IN SHARE MODE;
SELECT public.lock_ab_test_statistics(alone => true);

-- As in 0009: another of the cluster's databases may have made it, or be making it right now.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'prompt_experiment_worker') THEN
        CREATE ROLE prompt_experiment_worker NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN
        NULL;
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'role prompt_experiment_worker is missing, and % may not create roles', current_user
            USING ERRCODE = 'insufficient_privilege', HINT = format(
                'As an administrator run: ALTER ROLE %I CREATEROLE; or: CREATE ROLE prompt_experiment_worker NOLOGIN; '
                'then migrate again.', current_user);
END $$;

-- Without arms an experiment counts executions as before, and nobody judges it. `environment`: the only one that
-- counts, if it names one. `verdict` is computed; `status` is what people say.
ALTER TABLE ab_test_experiments
    ADD COLUMN IF NOT EXISTS kind varchar(20) NOT NULL DEFAULT 'test' CHECK (kind IN ('test', 'rollout')),
    ADD COLUMN IF NOT EXISTS arms jsonb CHECK (jsonb_typeof(arms) = 'object'),
    ADD COLUMN IF NOT EXISTS unit_kind varchar(20) NOT NULL DEFAULT 'user' CHECK (unit_kind IN ('user', 'session')),
    ADD COLUMN IF NOT EXISTS protected_metrics jsonb NOT NULL DEFAULT '[]'
        CHECK (jsonb_typeof(protected_metrics) = 'array'),
    ADD COLUMN IF NOT EXISTS environment varchar(50),
    ADD COLUMN IF NOT EXISTS auto_rollback boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS verdict varchar(20) CHECK (verdict IN (
        'invalid', 'srm_failed', 'harmful', 'collecting', 'winner', 'no_difference', 'inconclusive', 'stopped')),
    ADD COLUMN IF NOT EXISTS verdict_reason text,
    ADD COLUMN IF NOT EXISTS looked_at timestamptz;

-- Ranges of buckets, each [from, to, arm], none within another: what every reader of a phase can follow.
CREATE FUNCTION public.are_assignment_ranges(ranges jsonb) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    part jsonb;
    beyond integer := 0;
BEGIN
    IF jsonb_typeof(ranges) <> 'array' THEN
        RETURN false;
    END IF;
    FOR part IN SELECT r FROM jsonb_array_elements(ranges) r LOOP
        IF part::text !~ '^\[[0-9]{1,5}, [0-9]{1,5}, "' OR char_length(part ->> 2) NOT BETWEEN 1 AND 50
            OR jsonb_array_length(part) <> 3
        THEN
            RETURN false;
        END IF;
    END LOOP;
    FOR part IN SELECT r FROM jsonb_array_elements(ranges) r ORDER BY (r ->> 0)::integer LOOP
        IF (part ->> 0)::integer < beyond OR (part ->> 0)::integer >= (part ->> 1)::integer THEN
            RETURN false;
        END IF;
        beyond := (part ->> 1)::integer;
    END LOOP;
    RETURN beyond <= 10000;
END $$;

-- How units are assigned from then on: `ranges` of buckets from 0 to below 10,000, each [from, to, arm].
CREATE TABLE ab_test_phases (
    experiment_id uuid NOT NULL REFERENCES ab_test_experiments,
    phase integer NOT NULL CHECK (phase > 0),
    seed varchar(100) NOT NULL,
    ranges jsonb NOT NULL CHECK (public.are_assignment_ranges(ranges)),
    allocation jsonb NOT NULL CHECK (jsonb_typeof(allocation) = 'object'),
    restarts boolean NOT NULL, -- the comparison begins again, as the arms' shares are others
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz CHECK (ended_at >= started_at),
    why text NOT NULL,
    created_by varchar(255) NOT NULL,
    PRIMARY KEY (experiment_id, phase)
);

-- Each look with all its numbers, so that it can be shown later how often the error rate was spent. `planned`: the one
-- at the planned size. `intervals`: by variant, the difference of the primary metric and its interval.
CREATE TABLE ab_test_looks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    experiment_id uuid NOT NULL REFERENCES ab_test_experiments,
    phase integer,
    looked_at timestamptz NOT NULL,
    planned boolean NOT NULL,
    verdict varchar(20) NOT NULL,
    reason text NOT NULL,
    units bigint NOT NULL,
    p_value float8,
    ratio_p float8 NOT NULL,
    intervals jsonb NOT NULL,
    numbers jsonb NOT NULL
);
CREATE INDEX idx_ab_test_looks_experiment ON ab_test_looks (experiment_id, id);
CREATE UNIQUE INDEX idx_ab_test_looks_planned ON ab_test_looks (experiment_id) WHERE planned;

REVOKE ALL ON ab_test_phases, ab_test_looks FROM PUBLIC;

-- The first 52 bits of SHA-256 of seed and unit, as a number never negative here and exact in every language.
CREATE FUNCTION public.assignment_bucket(seed text, unit text) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (('x' || left(encode(sha256(convert_to($1 || ':' || $2, 'UTF8')), 'hex'), 13))::bit(52)::bigint
            % 10000)::integer
$$;

-- Null: outside of the experiment.
CREATE FUNCTION public.assigned_arm(ranges jsonb, bucket integer) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT r ->> 2 FROM jsonb_array_elements($1) r
    WHERE $2 >= (r ->> 0)::integer AND $2 < (r ->> 1)::integer
$$;

-- Experiments of before: an arm is the group of its template. Where that does not say which is which it is paused.
UPDATE ab_test_experiments e
SET arms = derived.arms
FROM (
    SELECT x.id, jsonb_build_object('control', x.control_template_id)
                 || jsonb_object_agg(t.ab_test_group, t.id) FILTER (WHERE t.id IS NOT NULL) AS arms,
           count(DISTINCT t.ab_test_group) AS groups, count(*) AS variants, bool_or(t.ab_test_group = 'control') AS twice
    FROM ab_test_experiments x
    CROSS JOIN LATERAL unnest(x.variant_template_ids) variant
    LEFT JOIN prompt_templates t ON t.id = variant AND t.name = x.template_name AND t.ab_test_group IS NOT NULL
    GROUP BY x.id
) derived
WHERE derived.id = e.id AND derived.groups = derived.variants AND NOT derived.twice
  AND NOT EXISTS (SELECT FROM ab_test_experiments o
                  WHERE o.id <> e.id AND o.template_name = e.template_name
                    AND o.status IN ('active', 'paused') AND e.status IN ('active', 'paused'));

UPDATE ab_test_experiments
SET status = 'paused',
    verdict_reason = 'its arms cannot be derived from the groups of its templates, or another experiment is on the same '
                     'name: create an experiment in its place'
WHERE status = 'active' AND arms IS NULL AND variant_template_ids <> '{}';

INSERT INTO ab_test_phases (experiment_id, phase, seed, ranges, allocation, restarts, why, created_by)
SELECT e.id, 1, e.id::text, a.ranges, e.traffic_allocation, true, 'migrated: what was served before is not compared',
       current_user
FROM ab_test_experiments e
CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_array(s.beyond - s.share, s.beyond, s.arm) ORDER BY s.beyond) AS ranges,
           max(s.beyond) AS beyond, min(s.share) AS least
    FROM (
        SELECT key AS arm, round(value::numeric * 100)::integer AS share,
               sum(round(value::numeric * 100)::integer) OVER (ORDER BY key <> 'control', key)::integer AS beyond
        FROM jsonb_each_text(CASE WHEN e.traffic_allocation @? '$.* ? (@.type() != "number")' THEN '{}'
                                  ELSE e.traffic_allocation END)
    ) s
    WHERE e.arms ? s.arm
) a
WHERE e.arms IS NOT NULL AND e.status IN ('active', 'paused') AND a.beyond <= 10000 AND a.least > 0;

-- What an experiment compares is decided before it starts. The columns of before follow from the arms.
CREATE FUNCTION public.keep_experiment_plan() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND EXISTS (SELECT FROM public.ab_test_phases p WHERE p.experiment_id = OLD.id)
        AND (NEW.arms, NEW.kind, NEW.unit_kind, NEW.template_name, NEW.primary_metric, NEW.protected_metrics,
             NEW.environment, NEW.minimum_sample_size, NEW.confidence_level, NEW.target_improvement_percentage)
            IS DISTINCT FROM
            (OLD.arms, OLD.kind, OLD.unit_kind, OLD.template_name, OLD.primary_metric, OLD.protected_metrics,
             OLD.environment, OLD.minimum_sample_size, OLD.confidence_level, OLD.target_improvement_percentage)
    THEN
        RAISE EXCEPTION 'experiment "%" has started: what it compares is decided', OLD.name
            USING ERRCODE = 'PW010', HINT = 'Stop it, and create another.';
    END IF;
    IF NEW.arms IS NULL THEN
        RETURN NEW;
    END IF;
    NEW.control_template_id := (NEW.arms ->> 'control')::uuid;
    NEW.variant_template_ids := ARRAY(
        SELECT value::uuid FROM jsonb_each_text(NEW.arms) WHERE key <> 'control' ORDER BY key COLLATE "C");
    IF NOT NEW.arms ? 'control' OR NEW.variant_template_ids = '{}' THEN
        RAISE EXCEPTION 'experiment "%" needs the arm control and another one', NEW.name USING ERRCODE = 'PW011';
    END IF;
    IF NEW.status NOT IN ('completed', 'cancelled') AND EXISTS (
        SELECT FROM jsonb_each_text(NEW.arms) a
        WHERE NOT EXISTS (SELECT FROM public.prompt_templates t
                          WHERE t.id = a.value::uuid AND t.name = NEW.template_name))
    THEN
        RAISE EXCEPTION 'an arm of experiment "%" is no version of "%"', NEW.name, NEW.template_name
            USING ERRCODE = 'PW011';
    END IF;
    RETURN NEW;
END $$;

-- Two on one name would each serve its own arms to the same units. Changes of experiments come one after the other.
CREATE FUNCTION public.refuse_overlapping_experiment() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    other text;
BEGIN
    SELECT o.name INTO other FROM public.ab_test_experiments o
    WHERE o.id <> NEW.id AND o.template_name = NEW.template_name AND o.status IN ('active', 'paused')
      AND (o.arms IS NOT NULL OR NEW.arms IS NOT NULL)
    LIMIT 1;
    IF other IS NOT NULL THEN
        RAISE EXCEPTION 'experiment "%" is on "%" already', other, NEW.template_name
            USING ERRCODE = 'PW012', HINT = 'Stop it first: one name has one experiment at a time.';
    END IF;
    RETURN NULL;
END $$;

-- An arm's template stays, under its name: else nobody could say what was compared.
CREATE FUNCTION public.keep_template_of_arm() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    experiment text;
BEGIN
    SELECT e.name INTO experiment FROM public.ab_test_experiments e
    WHERE OLD.id IN (SELECT value::uuid FROM jsonb_each_text(e.arms))
      AND (TG_OP = 'DELETE' OR e.status IN ('draft', 'active', 'paused'))
    LIMIT 1;
    IF experiment IS NOT NULL THEN
        RAISE EXCEPTION 'version % of "%" is an arm of experiment "%"', OLD.version, OLD.name, experiment
            USING ERRCODE = 'foreign_key_violation', HINT = CASE TG_OP
                WHEN 'DELETE' THEN 'Deactivate it instead.' ELSE 'Stop the experiment first.' END;
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;

-- A phase may end, once; nothing else of it changes.
CREATE FUNCTION public.keep_experiment_phase() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP <> 'UPDATE' OR OLD.ended_at IS NOT NULL
        OR to_jsonb(NEW) - 'ended_at' IS DISTINCT FROM to_jsonb(OLD) - 'ended_at'
    THEN
        RAISE EXCEPTION 'a phase of an experiment only ever ends' USING ERRCODE = 'PW004';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION public.record_experiment_phase() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM public.record_prompt_change('phase', 'experiment',
        (SELECT e.name FROM public.ab_test_experiments e WHERE e.id = NEW.experiment_id), NULL, NULL,
        to_jsonb(NEW) - 'experiment_id');
    RETURN NULL;
END $$;

REVOKE EXECUTE ON FUNCTION public.keep_experiment_plan, public.refuse_overlapping_experiment,
    public.keep_template_of_arm, public.keep_experiment_phase, public.record_experiment_phase FROM PUBLIC;

CREATE TRIGGER trigger_keep_experiment_plan
    BEFORE INSERT OR UPDATE OF arms, kind, unit_kind, template_name, primary_metric, protected_metrics, environment,
        minimum_sample_size, confidence_level, target_improvement_percentage, status, control_template_id,
        variant_template_ids
    ON ab_test_experiments FOR EACH ROW EXECUTE FUNCTION keep_experiment_plan();
CREATE TRIGGER trigger_refuse_overlapping_experiment
    AFTER INSERT OR UPDATE OF status, template_name, arms ON ab_test_experiments
    FOR EACH ROW WHEN (NEW.status IN ('active', 'paused')) EXECUTE FUNCTION refuse_overlapping_experiment();
-- After the foreign keys, which say so in their own words.
CREATE TRIGGER trigger_keep_template_of_arm
    AFTER DELETE ON prompt_templates FOR EACH ROW EXECUTE FUNCTION keep_template_of_arm();
CREATE TRIGGER trigger_keep_name_of_arm
    BEFORE UPDATE OF name ON prompt_templates
    FOR EACH ROW WHEN (OLD.name <> NEW.name) EXECUTE FUNCTION keep_template_of_arm();
CREATE TRIGGER trigger_begin_phase_change
    BEFORE INSERT OR UPDATE ON ab_test_phases FOR EACH STATEMENT EXECUTE FUNCTION begin_prompt_change('revision');
CREATE TRIGGER trigger_keep_experiment_phase
    BEFORE UPDATE OR DELETE ON ab_test_phases FOR EACH ROW EXECUTE FUNCTION keep_experiment_phase();
CREATE TRIGGER trigger_refuse_truncating_phases
    BEFORE TRUNCATE ON ab_test_phases FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_record();
CREATE TRIGGER trigger_record_experiment_phase
    AFTER INSERT ON ab_test_phases FOR EACH ROW EXECUTE FUNCTION record_experiment_phase();
CREATE TRIGGER trigger_refuse_change_of_looks
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ab_test_looks
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_record();
CREATE TRIGGER trigger_record_experiment_plan
    AFTER UPDATE OF arms, kind, unit_kind, protected_metrics, environment, auto_rollback ON ab_test_experiments
    FOR EACH ROW EXECUTE FUNCTION record_owner_change('experiment');
CREATE TRIGGER trigger_begin_experiment_plan
    BEFORE UPDATE OF arms, kind, unit_kind, protected_metrics, environment, auto_rollback ON ab_test_experiments
    FOR EACH STATEMENT EXECUTE FUNCTION begin_prompt_change('revision');

-- An event that says which experiment it belongs to belongs to no other.
CREATE OR REPLACE FUNCTION public.update_ab_test_statistics() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    added public.ab_test_deltas[];
BEGIN
    IF NOT EXISTS (SELECT FROM inserted WHERE ab_test_group IS NOT NULL) THEN
        RETURN NULL;
    END IF;
    PERFORM public.lock_ab_test_statistics(alone => false);
    SELECT array_agg(ROW(i.*)::public.ab_test_deltas) INTO added FROM (
        SELECT x.id, r.ab_test_group, count(*)
        FROM inserted r
        JOIN public.ab_test_experiments x ON x.template_name = r.template_name
        WHERE r.ab_test_group IS NOT NULL
          AND x.status IN ('active', 'paused', 'completed')
          AND (r.experiment_id IS NULL OR r.experiment_id = x.id)
          AND r.executed_at >= coalesce(x.actual_start_date, '-infinity')
          AND r.executed_at < coalesce(x.actual_end_date, 'infinity')
        GROUP BY x.id, r.ab_test_group
    ) i;
    IF public.defers_statistics() THEN
        INSERT INTO public.ab_test_deltas SELECT * FROM unnest(added);
    ELSE
        PERFORM FROM public.ab_test_experiments
        WHERE id IN (SELECT experiment_id FROM unnest(added)) ORDER BY id FOR NO KEY UPDATE;
        PERFORM public.add_ab_test_statistics(added);
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE VIEW v_ab_test_recount AS
SELECT e.id,
       coalesce(c.total_executions, 0) AS total_executions,
       coalesce(c.control_executions, 0) AS control_executions,
       g.known_groups || coalesce(c.variant_executions, '{}') AS variant_executions
FROM ab_test_experiments e
CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_object_agg(name, 0), '{}') AS known_groups
    FROM jsonb_object_keys(
        CASE jsonb_typeof(e.variant_executions) WHEN 'object' THEN e.variant_executions ELSE '{}' END) name
) g
LEFT JOIN LATERAL (
    SELECT sum(executions)::bigint AS total_executions,
           (sum(executions) FILTER (WHERE ab_test_group = 'control'))::bigint AS control_executions,
           jsonb_object_agg(ab_test_group, executions) FILTER (WHERE ab_test_group <> 'control')
               AS variant_executions
    FROM (
        SELECT ab_test_group, count(*) AS executions
        FROM prompt_executions x
        WHERE x.template_name = e.template_name
          AND x.ab_test_group IS NOT NULL
          AND (x.experiment_id IS NULL OR x.experiment_id = e.id)
          AND x.executed_at >= coalesce(e.actual_start_date, '-infinity')
          AND x.executed_at < coalesce(e.actual_end_date, 'infinity')
          AND e.status IN ('active', 'paused', 'completed')
        GROUP BY ab_test_group
    ) per_group
) c ON true;

-- What each unit did in each arm. `excluded`: the first reason why these executions do not count, null where they do;
-- what was served in an earlier phase is not compared with what is served now. A row that names no experiment belongs to
-- the one of its name, group and time. Of a request only the last attempt counts.
-- Bit n of `phases`: the unit was served in phase n + 1. Rows are grouped before they are judged: there are many.
CREATE VIEW v_ab_test_units AS
SELECT e.id AS experiment_id, u.*
FROM ab_test_experiments e
LEFT JOIN LATERAL (
    SELECT p.phase, p.started_at FROM ab_test_phases p
    WHERE p.experiment_id = e.id AND p.restarts ORDER BY p.phase DESC LIMIT 1
) s ON true
CROSS JOIN LATERAL (
    SELECT p.arm, p.unit,
           CASE WHEN p.excluded IS NULL
                    AND count(*) FILTER (WHERE p.excluded IS NULL) OVER (PARTITION BY p.unit) > 1 THEN 'in_two_arms'
                ELSE p.excluded END AS excluded,
           p.calls, p.successes, p.failures, p.blocked, p.violations, p.execution_time_calls, p.execution_time_ms,
           p.token_calls, p.token_count, p.cost_calls, p.cost_usd, p.phases
    FROM (
        SELECT g.arm, g.unit,
               CASE WHEN g.executed = 'out_of_time' THEN 'out_of_time'
                    WHEN e.environment IS NOT NULL AND g.environment IS DISTINCT FROM e.environment
                        THEN 'other_environment'
                    WHEN g.unit IS NULL OR g.unit = '' THEN 'no_unit'
                    WHEN g.arm IS NULL THEN 'outside'
                    WHEN NOT e.arms ? g.arm THEN 'unknown_arm'
                    WHEN g.prompt_source = 'builtin' THEN 'builtin'
                    WHEN g.executed = 'earlier_phase' THEN 'earlier_phase'
                    WHEN g.retried THEN 'retried'
                    WHEN g.template_id::text <> e.arms ->> g.arm THEN 'mislabelled'
               END AS excluded,
               sum(g.calls)::bigint AS calls, sum(g.successes)::bigint AS successes,
               sum(g.failures)::bigint AS failures, sum(g.blocked)::bigint AS blocked,
               sum(g.violations)::bigint AS violations,
               sum(g.execution_time_calls)::bigint AS execution_time_calls,
               coalesce(sum(g.execution_time_ms), 0)::bigint AS execution_time_ms,
               sum(g.token_calls)::bigint AS token_calls, coalesce(sum(g.token_count), 0)::bigint AS token_count,
               sum(g.cost_calls)::bigint AS cost_calls, coalesce(sum(g.cost_usd), 0) AS cost_usd,
               bit_or(1::bigint << least(g.phase - 1, 62)) AS phases
        FROM (
            SELECT x.arm, x.unit, x.template_id, x.environment, x.prompt_source, coalesce(x.phase, s.phase, 1) AS phase,
                   CASE WHEN x.executed_at < e.actual_start_date OR x.executed_at >= e.actual_end_date
                            THEN 'out_of_time'
                        WHEN x.phase < s.phase OR x.phase IS NULL AND x.executed_at < s.started_at
                            THEN 'earlier_phase' END AS executed,
                   coalesce(x.attempt, 1) < r.last AS retried,
                   count(*) AS calls,
                   count(*) FILTER (WHERE x.status = 'success') AS successes,
                   count(*) FILTER (WHERE x.status = 'failure') AS failures,
                   count(*) FILTER (WHERE x.status = 'blocked' OR x.guardrail_action = 'block') AS blocked,
                   count(*) FILTER (WHERE x.guardrail_action IN ('warn', 'block')) AS violations,
                   count(x.execution_time_ms) AS execution_time_calls, sum(x.execution_time_ms) AS execution_time_ms,
                   count(x.token_count) AS token_calls, sum(x.token_count) AS token_count,
                   count(x.cost_usd) AS cost_calls, sum(x.cost_usd) AS cost_usd
            FROM (
                SELECT x.ab_test_group AS arm, x.assignment_unit AS unit, x.experiment_phase AS phase, x.executed_at,
                       x.status, x.guardrail_action, x.execution_time_ms, x.token_count, x.cost_usd, x.environment,
                       x.prompt_source, x.template_id, x.attempt, x.request_id
                FROM prompt_executions x
                WHERE x.template_name = e.template_name AND x.executed_at >= e.actual_start_date - interval '1 day'
                  AND (x.experiment_id = e.id
                       OR x.experiment_id IS NULL AND x.executed_at >= e.actual_start_date
                          AND x.executed_at < coalesce(e.actual_end_date, 'infinity'))
                  -- The predicate of the index, which has all that is read here.
                  AND (x.experiment_id IS NOT NULL OR x.ab_test_group IS NOT NULL)
            ) x
            LEFT JOIN (
                SELECT x.request_id, max(x.attempt) AS last
                FROM prompt_executions x
                WHERE x.template_name = e.template_name AND x.executed_at >= e.actual_start_date - interval '1 day'
                  AND (x.experiment_id = e.id OR x.experiment_id IS NULL)
                  AND (x.experiment_id IS NOT NULL OR x.ab_test_group IS NOT NULL)
                  AND x.attempt > 1 AND x.request_id IS NOT NULL
                GROUP BY x.request_id
            ) r ON r.request_id = x.request_id
            GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
        ) g
        GROUP BY 1, 2, 3
    ) p
) u
WHERE e.arms IS NOT NULL;

-- n, ΣN, ΣS, ΣS², ΣSN and ΣN² of each metric over the units of an arm: of a ratio ΣS / ΣN. A unit weighs at most what
-- all but one in a thousand of the units of all arms do, and at least one; so do its costs and tokens.
CREATE VIEW v_ab_test_arms AS
SELECT e.id AS experiment_id, a.*
FROM ab_test_experiments e
CROSS JOIN LATERAL (
    WITH pairs AS MATERIALIZED (
        SELECT u.arm, v.metric, v.n::float8 AS n, v.s::float8 AS s, v.is_capped
        FROM v_ab_test_units u
        CROSS JOIN LATERAL (VALUES
            ('success_rate', u.calls, u.successes::numeric, false),
            ('failure_rate', u.calls, u.failures, false),
            ('blocked_rate', u.calls, u.blocked, false),
            ('violation_rate', u.calls, u.violations, false),
            ('execution_time_ms', u.execution_time_calls, u.execution_time_ms, false),
            ('token_count', u.token_calls, u.token_count, true),
            ('cost_usd', u.cost_calls, u.cost_usd, true),
            ('cost_per_success', u.successes, u.cost_usd, true)
        ) v (metric, n, s, is_capped)
        WHERE u.experiment_id = e.id AND u.excluded IS NULL AND (v.n > 0 OR v.s > 0)
    ), caps AS (
        SELECT r.metric,
               max(r.n) FILTER (WHERE r.by_n > greatest(1, r.weighing / 1000)) AS n,
               max(r.s) FILTER (WHERE r.is_capped AND r.by_s > greatest(1, r.units / 1000)) AS s
        FROM (
            SELECT p.*, row_number() OVER (PARTITION BY p.metric ORDER BY p.n DESC) AS by_n,
                   row_number() OVER (PARTITION BY p.metric ORDER BY p.s DESC) AS by_s,
                   count(*) FILTER (WHERE p.n > 0) OVER (PARTITION BY p.metric) AS weighing,
                   count(*) OVER (PARTITION BY p.metric) AS units
            FROM pairs p
        ) r
        GROUP BY r.metric
    )
    SELECT p.arm, p.metric, count(*) AS units, sum(m.n) AS weight, sum(m.s) AS total, sum(m.s * m.s) AS squares,
           sum(m.s * m.n) AS "cross", sum(m.n * m.n) AS weight_squares
    FROM pairs p
    JOIN caps c ON c.metric = p.metric
    CROSS JOIN LATERAL (
        SELECT least(p.n, c.n), least(p.s, c.s) * CASE WHEN p.n > c.n THEN c.n / p.n ELSE 1 END
    ) m (n, s)
    GROUP BY p.arm, p.metric
) a;

-- Whether units were served what they were assigned: `wrong` rows must be 0. The rows are read once, and each unit is
-- hashed once; as in `assignment_bucket` and `assigned_arm`, which as functions would take longer than what they do.
CREATE VIEW v_ab_test_audit AS
SELECT p.experiment_id, p.phase,
       coalesce(sum(u.executions), 0)::bigint AS executions,
       coalesce(sum(u.executions) FILTER (WHERE u.served IS DISTINCT FROM (
           SELECT r.value ->> 2 FROM jsonb_array_elements(p.ranges) r
           WHERE a.bucket >= (r.value ->> 0)::integer AND a.bucket < (r.value ->> 1)::integer)), 0)::bigint AS wrong
FROM ab_test_phases p
LEFT JOIN (
    SELECT e.id AS experiment_id, x.experiment_phase AS phase, x.assignment_unit AS unit, x.ab_test_group AS served,
           count(*) AS executions
    FROM ab_test_experiments e
    JOIN prompt_executions x ON x.template_name = e.template_name AND x.experiment_id = e.id
    WHERE (x.experiment_id IS NOT NULL OR x.ab_test_group IS NOT NULL) AND x.assignment_unit IS NOT NULL
    GROUP BY e.id, x.experiment_phase, x.assignment_unit, x.ab_test_group
) u ON u.experiment_id = p.experiment_id AND u.phase = p.phase
LEFT JOIN LATERAL (
    SELECT (('x' || left(encode(sha256(convert_to(p.seed || ':' || u.unit, 'UTF8')), 'hex'), 13))::bit(52)::bigint
            % 10000)::integer AS bucket
    OFFSET 0
) a ON true
GROUP BY p.experiment_id, p.phase;

REVOKE ALL ON v_ab_test_units, v_ab_test_arms, v_ab_test_audit FROM PUBLIC;

-- Units are users: only who may read executions sees them.
GRANT SELECT ON ab_test_phases, ab_test_looks, v_ab_test_arms, v_ab_test_audit
    TO prompt_reader, prompt_viewer, prompt_editor, prompt_approver;
GRANT SELECT ON ab_test_phases, ab_test_looks, v_ab_test_units, v_ab_test_arms, v_ab_test_audit
    TO prompt_operator;
GRANT INSERT (kind, arms, unit_kind, protected_metrics, environment, auto_rollback, verdict, verdict_reason, looked_at),
    UPDATE (kind, arms, unit_kind, protected_metrics, environment, auto_rollback, verdict, verdict_reason, looked_at)
    ON ab_test_experiments TO prompt_operator;
GRANT INSERT, UPDATE (ended_at) ON ab_test_phases TO prompt_operator;
GRANT INSERT ON ab_test_looks TO prompt_operator;

-- Looks, and writes down what it saw.
GRANT USAGE ON SCHEMA public TO prompt_experiment_worker;
GRANT SELECT ON schema_migrations, ab_test_experiments, ab_test_phases, ab_test_looks, v_ab_test_units,
    v_ab_test_arms, v_ab_test_audit TO prompt_experiment_worker;
GRANT SELECT (template_id, template_name, ab_test_group, request_id, execution_time_ms, token_count, cost_usd, status,
    guardrail_action, executed_at, environment, experiment_id, experiment_phase, assignment_unit, prompt_source, attempt)
    ON prompt_executions TO prompt_experiment_worker, prompt_operator;
GRANT INSERT ON ab_test_looks TO prompt_experiment_worker;
GRANT UPDATE (verdict, verdict_reason, looked_at, control_metric_value, variant_metric_values,
    statistical_significance, winner_variant, winner_declared_at) ON ab_test_experiments TO prompt_experiment_worker;

-- Read by a look without the rows themselves. Other writers wait for a moment; each month's, and that of the default
-- partition, is built after this migration while they write, and the one of before is then dropped: see partitions.py.
-- Neither user_id nor session_id is in it: two long ones would exceed what an entry may have, and refuse the row.
ALTER INDEX idx_prompt_executions_ab_test RENAME TO idx_prompt_executions_ab_test_old;
DO $$
BEGIN
    IF to_regclass('public.idx_prompt_executions_ab_test_default') IS NOT NULL THEN
        ALTER INDEX public.idx_prompt_executions_ab_test_default RENAME TO idx_prompt_executions_ab_test_old_default;
    END IF;
END $$;
CREATE INDEX idx_prompt_executions_ab_test ON ONLY prompt_executions (template_name, executed_at, ab_test_group)
    INCLUDE (template_id, assignment_unit, experiment_id, experiment_phase, request_id, attempt, status,
             execution_time_ms, token_count, cost_usd, environment, guardrail_action, prompt_source)
    WHERE experiment_id IS NOT NULL OR ab_test_group IS NOT NULL;
