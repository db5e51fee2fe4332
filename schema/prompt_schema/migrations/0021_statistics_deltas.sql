-- Statistics without waiting: workers add deltas and wait for nobody, and each second these are folded into the counters.

-- A delta is what one batch adds to one counted thing. Together with the counters it is exact at every moment; deltas
-- are only ever inserted and deleted, so no writer waits for another one.
CREATE TABLE prompt_template_deltas (
    template_id uuid NOT NULL,
    total_executions bigint NOT NULL,
    success_count bigint NOT NULL,
    failure_count bigint NOT NULL,
    execution_time_ms_sum bigint NOT NULL,
    execution_time_ms_count bigint NOT NULL,
    token_count_sum bigint NOT NULL,
    token_count_count bigint NOT NULL,
    cost_usd_sum numeric NOT NULL,
    cost_usd_count bigint NOT NULL
);
CREATE TABLE ab_test_deltas (
    experiment_id uuid NOT NULL,
    ab_test_group varchar(50) NOT NULL,
    executions bigint NOT NULL
);
CREATE TABLE guardrail_deltas (
    guardrail_id uuid NOT NULL,
    total_checks bigint NOT NULL,
    violation_count bigint NOT NULL,
    false_positive_count bigint NOT NULL
);
-- Short, and all of it is read each second: cleared by the number of dead rows alone.
ALTER TABLE prompt_template_deltas SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE ab_test_deltas SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE guardrail_deltas SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- Counters become bigint. A column's type changes only while no view uses it, so views are taken down and built again:
-- other programs' too, with their owners, grants, options and comments.
CREATE TEMPORARY TABLE saved_views ON COMMIT DROP AS
WITH RECURSIVE using_view AS (
    SELECT c.oid, 0 AS depth
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace
      AND c.relname IN ('v_template_performance', 'v_active_ab_tests', 'v_template_recount', 'v_ab_test_recount',
                        'v_guardrail_recount')
    UNION
    SELECT r.ev_class, 0
    FROM pg_depend d
    JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
    JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.refclassid = 'pg_class'::regclass
      AND d.refobjid IN ('prompt_templates'::regclass, 'ab_test_experiments'::regclass, 'prompt_guardrails'::regclass)
      AND a.attname IN ('total_executions', 'success_count', 'failure_count', 'execution_time_ms_count',
                        'token_count_count', 'cost_usd_count', 'control_executions', 'total_checks',
                        'violation_count', 'false_positive_count')
    UNION
    SELECT r.ev_class, u.depth + 1
    FROM using_view u
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = u.oid
        AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> u.oid
)
SELECT c.oid::regclass::text AS name, max(u.depth) AS depth, c.relkind, pg_get_viewdef(c.oid) AS definition,
       c.relname IN ('v_template_performance', 'v_active_ab_tests', 'v_template_recount', 'v_ab_test_recount',
                     'v_guardrail_recount') AND c.relnamespace = 'public'::regnamespace AS ours,
       array_remove(
           (SELECT array_agg(format('GRANT %s ON %s TO %s%s', privilege_type, c.oid::regclass,
                                    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
                                    CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END))
            FROM aclexplode(c.relacl) WHERE grantee <> c.relowner)
           || (SELECT array_agg(format('GRANT %s (%I) ON %s TO %s', privilege_type, attname, c.oid::regclass,
                                       CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END))
               FROM pg_attribute CROSS JOIN LATERAL aclexplode(attacl) WHERE attrelid = c.oid)
           || (SELECT array_agg(format('COMMENT ON %s IS %L', CASE objsubid
                                       WHEN 0 THEN format('VIEW %s', c.oid::regclass)
                                       ELSE format('COLUMN %s.%I', c.oid::regclass, attname) END, description))
               FROM pg_description LEFT JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid AND objsubid > 0
               WHERE classoid = 'pg_class'::regclass AND objoid = c.oid)
           || CASE WHEN c.reloptions IS NOT NULL THEN
                  format('ALTER VIEW %s SET (%s)', c.oid::regclass, array_to_string(c.reloptions, ', ')) END
           || CASE WHEN c.relowner <> (SELECT oid FROM pg_roles WHERE rolname = current_user) THEN
                  format('ALTER VIEW %s OWNER TO %s', c.oid::regclass, c.relowner::regrole) END,
           NULL) AS afterwards,
       EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid)
       OR EXISTS (SELECT FROM pg_attrdef WHERE adrelid = c.oid)
       OR (SELECT count(*) FROM pg_rewrite WHERE ev_class = c.oid) > 1 AS more
FROM using_view u JOIN pg_class c USING (oid)
GROUP BY c.oid;

DO $$
DECLARE
    saved record;
BEGIN
    FOR saved IN SELECT * FROM saved_views WHERE (relkind <> 'v' OR more) LOOP
        RAISE EXCEPTION 'the view % uses counters, and is more than a query', saved.name
            USING ERRCODE = 'dependent_objects_still_exist', HINT = format(
                'It is materialized, or has triggers, rules or defaults: drop it, migrate again, and create it again.');
    END LOOP;
    FOR saved IN SELECT * FROM saved_views ORDER BY depth DESC LOOP
        EXECUTE format('DROP VIEW %s', saved.name);
    END LOOP;
END $$;

ALTER TABLE prompt_templates
    ALTER total_executions TYPE bigint, ALTER success_count TYPE bigint, ALTER failure_count TYPE bigint,
    ALTER execution_time_ms_count TYPE bigint, ALTER token_count_count TYPE bigint, ALTER cost_usd_count TYPE bigint;
ALTER TABLE ab_test_experiments ALTER total_executions TYPE bigint, ALTER control_executions TYPE bigint;
ALTER TABLE prompt_guardrails
    ALTER total_checks TYPE bigint, ALTER violation_count TYPE bigint, ALTER false_positive_count TYPE bigint;

-- What the counters should be, from the rows: the definition that verify and rebuild use.
CREATE VIEW v_template_recount AS
SELECT t.id,
       coalesce(e.total_executions, 0) AS total_executions,
       coalesce(e.success_count, 0) AS success_count,
       coalesce(e.failure_count, 0) AS failure_count,
       e.execution_time_ms_sum::float8 / nullif(e.execution_time_ms_count, 0) AS avg_response_time_ms,
       round(e.token_count_sum / nullif(e.token_count_count, 0)::numeric)::integer AS avg_token_count,
       round(e.cost_usd_sum / nullif(e.cost_usd_count, 0), 6)::numeric(10, 6) AS avg_cost_usd,
       coalesce(e.execution_time_ms_sum, 0) AS execution_time_ms_sum,
       coalesce(e.execution_time_ms_count, 0) AS execution_time_ms_count,
       coalesce(e.token_count_sum, 0) AS token_count_sum,
       coalesce(e.token_count_count, 0) AS token_count_count,
       coalesce(e.cost_usd_sum, 0) AS cost_usd_sum,
       coalesce(e.cost_usd_count, 0) AS cost_usd_count
FROM prompt_templates t
LEFT JOIN (
    SELECT template_id,
           count(*) AS total_executions,
           count(*) FILTER (WHERE status = 'success') AS success_count,
           count(*) FILTER (WHERE status = 'failure') AS failure_count,
           sum(execution_time_ms) AS execution_time_ms_sum,
           count(execution_time_ms) AS execution_time_ms_count,
           sum(token_count) AS token_count_sum,
           count(token_count) AS token_count_count,
           sum(cost_usd) AS cost_usd_sum,
           count(cost_usd) AS cost_usd_count
    FROM prompt_executions
    GROUP BY template_id
) e ON e.template_id = t.id;

CREATE VIEW v_ab_test_recount AS
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
          AND x.executed_at >= coalesce(e.actual_start_date, '-infinity')
          AND x.executed_at < coalesce(e.actual_end_date, 'infinity')
          AND e.status IN ('active', 'paused', 'completed')
        GROUP BY ab_test_group
    ) per_group
) c ON true;

CREATE VIEW v_guardrail_recount AS
SELECT g.id,
       coalesce(c.total_checks, 0) AS total_checks,
       coalesce(v.violation_count, 0) AS violation_count,
       coalesce(v.false_positive_count, 0) AS false_positive_count
FROM prompt_guardrails g
LEFT JOIN (
    SELECT guardrail_id, sum(events)::bigint AS total_checks
    FROM (SELECT guardrail_ids, count(*) AS events FROM guardrail_evaluations GROUP BY guardrail_ids) alike
    CROSS JOIN LATERAL unnest(guardrail_ids) AS guardrail_id
    GROUP BY guardrail_id
) c ON c.guardrail_id = g.id
LEFT JOIN (
    SELECT guardrail_id, count(*) AS violation_count, count(false_positive_at) AS false_positive_count
    FROM guardrail_violations
    WHERE NOT repeated
    GROUP BY guardrail_id
) v ON v.guardrail_id = g.id;

-- What the counters are: the columns and the deltas that wait, seen in one statement. They equal the recount at every
-- moment. An average is the column's where nothing waits, so that a wrong one is seen.
CREATE VIEW v_template_statistics AS
SELECT t.id,
       coalesce(t.total_executions, 0) + coalesce(d.total_executions, 0) AS total_executions,
       coalesce(t.success_count, 0) + coalesce(d.success_count, 0) AS success_count,
       coalesce(t.failure_count, 0) + coalesce(d.failure_count, 0) AS failure_count,
       CASE WHEN d.template_id IS NULL THEN t.avg_response_time_ms ELSE
           (t.execution_time_ms_sum + d.execution_time_ms_sum)::float8
               / nullif(t.execution_time_ms_count + d.execution_time_ms_count, 0)
       END AS avg_response_time_ms,
       CASE WHEN d.template_id IS NULL THEN t.avg_token_count ELSE
           round((t.token_count_sum + d.token_count_sum)
               / nullif(t.token_count_count + d.token_count_count, 0)::numeric)::integer
       END AS avg_token_count,
       CASE WHEN d.template_id IS NULL THEN t.avg_cost_usd ELSE
           round((t.cost_usd_sum + d.cost_usd_sum) / nullif(t.cost_usd_count + d.cost_usd_count, 0), 6)
       END::numeric(10, 6) AS avg_cost_usd,
       t.execution_time_ms_sum + coalesce(d.execution_time_ms_sum, 0) AS execution_time_ms_sum,
       t.execution_time_ms_count + coalesce(d.execution_time_ms_count, 0) AS execution_time_ms_count,
       t.token_count_sum + coalesce(d.token_count_sum, 0) AS token_count_sum,
       t.token_count_count + coalesce(d.token_count_count, 0) AS token_count_count,
       t.cost_usd_sum + coalesce(d.cost_usd_sum, 0) AS cost_usd_sum,
       t.cost_usd_count + coalesce(d.cost_usd_count, 0) AS cost_usd_count
FROM prompt_templates t
LEFT JOIN (
    SELECT template_id,
           sum(total_executions)::bigint AS total_executions,
           sum(success_count)::bigint AS success_count,
           sum(failure_count)::bigint AS failure_count,
           sum(execution_time_ms_sum)::bigint AS execution_time_ms_sum,
           sum(execution_time_ms_count)::bigint AS execution_time_ms_count,
           sum(token_count_sum)::bigint AS token_count_sum,
           sum(token_count_count)::bigint AS token_count_count,
           sum(cost_usd_sum) AS cost_usd_sum,
           sum(cost_usd_count)::bigint AS cost_usd_count
    FROM prompt_template_deltas
    GROUP BY template_id
) d ON d.template_id = t.id;

CREATE VIEW v_ab_test_pending AS
SELECT experiment_id AS id,
       sum(executions)::bigint AS total_executions,
       coalesce(sum(executions) FILTER (WHERE ab_test_group = 'control'), 0)::bigint AS control_executions,
       coalesce(jsonb_object_agg(ab_test_group, executions) FILTER (WHERE ab_test_group <> 'control'), '{}')
           AS variant_executions
FROM (
    SELECT experiment_id, ab_test_group, sum(executions)::bigint AS executions
    FROM ab_test_deltas GROUP BY 1, 2
) per_group
GROUP BY experiment_id;

CREATE VIEW v_ab_test_statistics AS
SELECT e.id,
       coalesce(e.total_executions, 0) + coalesce(p.total_executions, 0) AS total_executions,
       coalesce(e.control_executions, 0) + coalesce(p.control_executions, 0) AS control_executions,
       coalesce(e.variant_executions, '{}') || v.added AS variant_executions
FROM ab_test_experiments e
LEFT JOIN v_ab_test_pending p ON p.id = e.id
CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_object_agg(
               name, coalesce((e.variant_executions ->> name)::bigint, 0) + executions::bigint), '{}') AS added
    FROM jsonb_each_text(p.variant_executions) AS variant (name, executions)
) v;

CREATE VIEW v_guardrail_statistics AS
SELECT g.id,
       coalesce(g.total_checks, 0) + coalesce(d.total_checks, 0) AS total_checks,
       coalesce(g.violation_count, 0) + coalesce(d.violation_count, 0) AS violation_count,
       coalesce(g.false_positive_count, 0) + coalesce(d.false_positive_count, 0) AS false_positive_count
FROM prompt_guardrails g
LEFT JOIN (
    SELECT guardrail_id, sum(total_checks)::bigint AS total_checks, sum(violation_count)::bigint AS violation_count,
           sum(false_positive_count)::bigint AS false_positive_count
    FROM guardrail_deltas
    GROUP BY guardrail_id
) d ON d.guardrail_id = g.id;

CREATE VIEW v_template_performance AS
SELECT t.id, t.name, t.category, t.version, t.is_active, t.ab_test_group,
       s.total_executions, s.success_count, s.failure_count,
       coalesce(round(100.0 * s.success_count / nullif(s.total_executions, 0), 2), 0) AS success_rate_percentage,
       s.avg_response_time_ms, s.avg_token_count, s.avg_cost_usd, t.created_at, t.updated_at
FROM prompt_templates t JOIN v_template_statistics s ON s.id = t.id;

CREATE VIEW v_active_ab_tests AS
SELECT e.id, e.name, e.template_name, e.status, s.total_executions, s.control_executions, s.variant_executions,
       e.primary_metric, e.control_metric_value, e.variant_metric_values, e.statistical_significance,
       e.winner_variant, e.actual_start_date, e.scheduled_end_date,
       CASE WHEN s.total_executions >= e.minimum_sample_size THEN 'sufficient' ELSE 'collecting' END AS sample_status
FROM ab_test_experiments e JOIN v_ab_test_statistics s ON s.id = e.id
WHERE e.status = 'active';

DO $$
DECLARE
    saved record;
    command text;
BEGIN
    FOR saved IN SELECT * FROM saved_views ORDER BY depth LOOP
        IF NOT saved.ours THEN
            EXECUTE format('CREATE VIEW %s AS %s', saved.name, saved.definition);
        END IF;
        FOREACH command IN ARRAY saved.afterwards LOOP
            EXECUTE command;
        END LOOP;
    END LOOP;
END $$;

REVOKE ALL ON prompt_template_deltas, ab_test_deltas, guardrail_deltas, v_template_recount, v_ab_test_recount,
    v_guardrail_recount, v_template_statistics, v_ab_test_pending, v_ab_test_statistics, v_guardrail_statistics,
    v_template_performance, v_active_ab_tests
    FROM PUBLIC;
GRANT SELECT ON v_template_statistics, v_ab_test_statistics, v_guardrail_statistics TO prompt_reader, prompt_operator;

-- Adds to the counters of templates, whose rows the caller has locked. Here and below a name that a function declares
-- means that, whatever columns the owner has added to our tables.
CREATE FUNCTION public.add_template_statistics(added public.prompt_template_deltas[]) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE public.prompt_templates t
    SET total_executions = coalesce(t.total_executions, 0) + i.total_executions,
        success_count = coalesce(t.success_count, 0) + i.success_count,
        failure_count = coalesce(t.failure_count, 0) + i.failure_count,
        execution_time_ms_sum = t.execution_time_ms_sum + i.execution_time_ms_sum,
        execution_time_ms_count = t.execution_time_ms_count + i.execution_time_ms_count,
        token_count_sum = t.token_count_sum + i.token_count_sum,
        token_count_count = t.token_count_count + i.token_count_count,
        cost_usd_sum = t.cost_usd_sum + i.cost_usd_sum,
        cost_usd_count = t.cost_usd_count + i.cost_usd_count,
        avg_response_time_ms = (t.execution_time_ms_sum + i.execution_time_ms_sum)::float8
            / nullif(t.execution_time_ms_count + i.execution_time_ms_count, 0),
        avg_token_count = round((t.token_count_sum + i.token_count_sum)
            / nullif(t.token_count_count + i.token_count_count, 0)::numeric),
        avg_cost_usd = round((t.cost_usd_sum + i.cost_usd_sum)
            / nullif(t.cost_usd_count + i.cost_usd_count, 0), 6)
    FROM unnest($1) i
    WHERE t.id = i.template_id
$$;

CREATE FUNCTION public.add_ab_test_statistics(added public.ab_test_deltas[]) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE public.ab_test_experiments e
    SET total_executions = coalesce(e.total_executions, 0) + i.total_executions,
        control_executions = coalesce(e.control_executions, 0) + i.control_executions,
        variant_executions = coalesce(e.variant_executions, '{}') || (
            SELECT coalesce(jsonb_object_agg(
                name, coalesce((e.variant_executions ->> name)::bigint, 0) + executions::bigint), '{}')
            FROM jsonb_each_text(i.variant_executions) AS variant (name, executions))
    FROM (
        SELECT experiment_id,
               sum(executions)::bigint AS total_executions,
               coalesce(sum(executions) FILTER (WHERE ab_test_group = 'control'), 0)::bigint AS control_executions,
               coalesce(jsonb_object_agg(ab_test_group, executions) FILTER (WHERE ab_test_group <> 'control'), '{}')
                   AS variant_executions
        FROM (
            SELECT experiment_id, ab_test_group, sum(executions)::bigint AS executions
            FROM unnest($1) GROUP BY 1, 2
        ) per_group
        GROUP BY experiment_id
    ) i
    WHERE e.id = i.experiment_id
$$;

CREATE FUNCTION public.add_guardrail_statistics(added public.guardrail_deltas[]) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE public.prompt_guardrails g
    SET total_checks = coalesce(g.total_checks, 0) + i.total_checks,
        violation_count = coalesce(g.violation_count, 0) + i.violation_count,
        false_positive_count = coalesce(g.false_positive_count, 0) + i.false_positive_count
    FROM unnest($1) i
    WHERE g.id = i.guardrail_id
$$;

-- Workers say that they write a batch, and fold. Any other program's insert changes the counters at once, waiting for
-- their rows, so that it reads its own number in them.
CREATE FUNCTION public.defers_statistics() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT coalesce(current_setting('prompt_worker.batch', true), '') = 'on' $$;

-- The hot path: one pass over the batch. Rows are locked in the order of id, so that writers never deadlock; NO KEY, so
-- that foreign keys do not wait.
CREATE OR REPLACE FUNCTION public.update_template_statistics() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    added public.prompt_template_deltas[];
BEGIN
    SELECT array_agg(ROW(i.*)::public.prompt_template_deltas) INTO added FROM (
        SELECT template_id, count(*), count(*) FILTER (WHERE status = 'success'),
               count(*) FILTER (WHERE status = 'failure'), coalesce(sum(execution_time_ms), 0),
               count(execution_time_ms), coalesce(sum(token_count), 0), count(token_count),
               coalesce(sum(cost_usd), 0), count(cost_usd)
        FROM inserted
        GROUP BY template_id
    ) i;
    IF public.defers_statistics() THEN
        INSERT INTO public.prompt_template_deltas SELECT * FROM unnest(added);
    ELSE
        PERFORM FROM public.prompt_templates
        WHERE id IN (SELECT template_id FROM unnest(added)) ORDER BY id FOR NO KEY UPDATE;
        PERFORM public.add_template_statistics(added);
    END IF;
    RETURN NULL;
END $$;

-- A batch without groups costs one look at its rows.
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

CREATE FUNCTION public.count_guardrails(added public.guardrail_deltas[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    IF public.defers_statistics() THEN
        INSERT INTO public.guardrail_deltas SELECT * FROM unnest(added);
    ELSE
        PERFORM public.lock_guardrail_statistics();
        PERFORM public.add_guardrail_statistics(added);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION public.count_guardrail_evaluations() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    added public.guardrail_deltas[];
BEGIN
    SELECT array_agg(ROW(guardrail_id, checks, 0, 0)::public.guardrail_deltas) INTO added FROM (
        SELECT guardrail_id, sum(events) AS checks
        FROM (SELECT guardrail_ids, count(*) AS events FROM inserted GROUP BY guardrail_ids) alike
        CROSS JOIN LATERAL unnest(guardrail_ids) AS guardrail_id
        GROUP BY guardrail_id
    ) i;
    PERFORM public.count_guardrails(added);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION public.count_guardrail_violations() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    added public.guardrail_deltas[];
BEGIN
    SELECT array_agg(ROW(guardrail_id, 0, violations, false_positives)::public.guardrail_deltas) INTO added FROM (
        SELECT guardrail_id, count(*) AS violations, count(false_positive_at) AS false_positives
        FROM inserted
        WHERE NOT repeated AND guardrail_id IS NOT NULL
        GROUP BY guardrail_id
    ) i;
    PERFORM public.count_guardrails(added);
    RETURN NULL;
END $$;

-- Folds what waits into the counters. Returns how many counted things that changed, or null where another session is
-- folding. It waits for nobody: what somebody has locked is folded the next time.
CREATE FUNCTION public.fold_statistics() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    key CONSTANT bigint := 7020100946810388;
    templates public.prompt_template_deltas[];
    experiments public.ab_test_deltas[];
    guardrails public.guardrail_deltas[];
BEGIN
    IF NOT pg_try_advisory_xact_lock(key) THEN
        RETURN NULL;
    END IF;
    -- A delta of what is gone has nothing to be added to.
    WITH locked AS MATERIALIZED (
        SELECT id FROM public.prompt_templates
        WHERE id IN (SELECT template_id FROM public.prompt_template_deltas)
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
    ), taken AS (
        DELETE FROM public.prompt_template_deltas d
        WHERE d.template_id IN (SELECT id FROM locked)
           OR NOT EXISTS (SELECT FROM public.prompt_templates t WHERE t.id = d.template_id)
        RETURNING d.*
    )
    SELECT array_agg(ROW(i.*)::public.prompt_template_deltas) INTO templates FROM (
        SELECT template_id, sum(total_executions), sum(success_count), sum(failure_count),
               sum(execution_time_ms_sum), sum(execution_time_ms_count), sum(token_count_sum),
               sum(token_count_count), sum(cost_usd_sum), sum(cost_usd_count)
        FROM taken GROUP BY template_id
    ) i;
    PERFORM public.add_template_statistics(templates);

    WITH locked AS MATERIALIZED (
        SELECT id FROM public.ab_test_experiments
        WHERE id IN (SELECT experiment_id FROM public.ab_test_deltas)
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
    ), taken AS (
        DELETE FROM public.ab_test_deltas d
        WHERE d.experiment_id IN (SELECT id FROM locked)
           OR NOT EXISTS (SELECT FROM public.ab_test_experiments e WHERE e.id = d.experiment_id)
        RETURNING d.*
    )
    SELECT array_agg(ROW(taken.*)::public.ab_test_deltas) INTO experiments FROM taken;
    PERFORM public.add_ab_test_statistics(experiments);

    WITH locked AS MATERIALIZED (
        SELECT id FROM public.prompt_guardrails
        WHERE id IN (SELECT guardrail_id FROM public.guardrail_deltas)
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
    ), taken AS (
        DELETE FROM public.guardrail_deltas d
        WHERE d.guardrail_id IN (SELECT id FROM locked)
           OR NOT EXISTS (SELECT FROM public.prompt_guardrails g WHERE g.id = d.guardrail_id)
        RETURNING d.*
    )
    SELECT array_agg(ROW(i.*)::public.guardrail_deltas) INTO guardrails FROM (
        SELECT guardrail_id, sum(total_checks), sum(violation_count), sum(false_positive_count)
        FROM taken GROUP BY guardrail_id
    ) i;
    PERFORM public.add_guardrail_statistics(guardrails);
    RETURN coalesce(cardinality(templates), 0) + coalesce(cardinality(experiments), 0)
        + coalesce(cardinality(guardrails), 0);
END $$;

-- What the rows say less what the counters and the deltas say, at one moment, is the same at every moment: it is added
-- to whatever the counters are by then. So nobody waits for the recount; two rebuilds wait for each other.
CREATE FUNCTION public.lock_rebuild() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    key CONSTANT bigint := 7020100946810389;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'statistics are rebuilt in READ COMMITTED transactions only'
            USING ERRCODE = 'invalid_transaction_state',
                  HINT = 'Run this statement in a transaction with isolation level READ COMMITTED.';
    END IF;
    PERFORM pg_advisory_xact_lock(key);
END $$;

CREATE OR REPLACE FUNCTION public.rebuild_template_statistics(template uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    missing public.prompt_template_deltas;
BEGIN
    PERFORM public.lock_rebuild();
    SELECT r.id, r.total_executions - s.total_executions, r.success_count - s.success_count,
           r.failure_count - s.failure_count, r.execution_time_ms_sum - s.execution_time_ms_sum,
           r.execution_time_ms_count - s.execution_time_ms_count, r.token_count_sum - s.token_count_sum,
           r.token_count_count - s.token_count_count, r.cost_usd_sum - s.cost_usd_sum,
           r.cost_usd_count - s.cost_usd_count
    INTO missing
    FROM public.v_template_recount r JOIN public.v_template_statistics s ON s.id = r.id
    WHERE r.id = template;
    PERFORM public.add_template_statistics(ARRAY[missing]);
END $$;

CREATE OR REPLACE FUNCTION public.rebuild_guardrail_statistics(guardrail uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    missing public.guardrail_deltas;
BEGIN
    PERFORM public.lock_rebuild();
    SELECT r.id, r.total_checks - s.total_checks, r.violation_count - s.violation_count,
           r.false_positive_count - s.false_positive_count
    INTO missing
    FROM public.v_guardrail_recount r JOIN public.v_guardrail_statistics s ON s.id = r.id
    WHERE r.id = guardrail;
    PERFORM public.add_guardrail_statistics(ARRAY[missing]);
END $$;

-- Beside workers, whose deltas stay: the row is locked first, so that nobody adds to it or folds until it is recounted.
-- Shared, the rule lock keeps the rule as it is.
CREATE OR REPLACE FUNCTION public.rebuild_ab_test_statistics(experiment uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    PERFORM public.lock_ab_test_statistics(alone => false);
    PERFORM FROM public.ab_test_experiments WHERE id = experiment FOR NO KEY UPDATE;
    UPDATE public.ab_test_experiments e
    SET total_executions = r.total_executions - coalesce(p.total_executions, 0),
        control_executions = r.control_executions - coalesce(p.control_executions, 0),
        variant_executions = (
            SELECT coalesce(jsonb_object_agg(
                name, executions::bigint - coalesce((p.variant_executions ->> name)::bigint, 0)), '{}')
            FROM jsonb_each_text(r.variant_executions) AS variant (name, executions))
    FROM public.v_ab_test_recount r LEFT JOIN public.v_ab_test_pending p ON p.id = r.id
    WHERE e.id = experiment AND r.id = experiment;
END $$;

-- A rule has changed, and nobody counts until that is committed: what was counted under the rule before is folded, for
-- its groups, and then recounted.
CREATE OR REPLACE FUNCTION public.recount_ab_test() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    before public.ab_test_deltas[];
BEGIN
    WITH taken AS (DELETE FROM public.ab_test_deltas d WHERE d.experiment_id = NEW.id RETURNING d.*)
    SELECT array_agg(ROW(taken.*)::public.ab_test_deltas) INTO before FROM taken;
    PERFORM public.add_ab_test_statistics(before);
    PERFORM public.rebuild_ab_test_statistics(NEW.id);
    RETURN NULL;
END $$;

REVOKE EXECUTE ON FUNCTION public.add_template_statistics, public.add_ab_test_statistics,
    public.add_guardrail_statistics, public.count_guardrails, public.fold_statistics, public.lock_rebuild FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.fold_statistics
    TO prompt_execution_worker, prompt_guardrail_worker, prompt_operator;
