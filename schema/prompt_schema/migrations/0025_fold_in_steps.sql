-- A fold takes 100,000 deltas of a kind at most, so that it ends however many wait; a batch costs its triggers a fifth less.

-- As in 0021, but for the limit: a fold of some millions, which gathered while somebody held a row locked for hours, would
-- be ended by its time limit each time, and those that wait would only become more. What is over is folded the next time.
CREATE OR REPLACE FUNCTION public.fold_statistics() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    key CONSTANT bigint := 7020100946810388;
    most CONSTANT bigint := 100000;
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
        DELETE FROM public.prompt_template_deltas WHERE ctid = ANY (ARRAY(
            SELECT d.ctid FROM public.prompt_template_deltas d
            WHERE d.template_id IN (SELECT id FROM locked)
               OR NOT EXISTS (SELECT FROM public.prompt_templates t WHERE t.id = d.template_id)
            LIMIT most))
        RETURNING *
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
        DELETE FROM public.ab_test_deltas WHERE ctid = ANY (ARRAY(
            SELECT d.ctid FROM public.ab_test_deltas d
            WHERE d.experiment_id IN (SELECT id FROM locked)
               OR NOT EXISTS (SELECT FROM public.ab_test_experiments e WHERE e.id = d.experiment_id)
            LIMIT most))
        RETURNING *
    )
    SELECT array_agg(ROW(i.*)::public.ab_test_deltas) INTO experiments FROM (
        SELECT experiment_id, ab_test_group, sum(executions)
        FROM taken GROUP BY experiment_id, ab_test_group
    ) i;
    PERFORM public.add_ab_test_statistics(experiments);

    WITH locked AS MATERIALIZED (
        SELECT id FROM public.prompt_guardrails
        WHERE id IN (SELECT guardrail_id FROM public.guardrail_deltas)
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
    ), taken AS (
        DELETE FROM public.guardrail_deltas WHERE ctid = ANY (ARRAY(
            SELECT d.ctid FROM public.guardrail_deltas d
            WHERE d.guardrail_id IN (SELECT id FROM locked)
               OR NOT EXISTS (SELECT FROM public.prompt_guardrails g WHERE g.id = d.guardrail_id)
            LIMIT most))
        RETURNING *
    )
    SELECT array_agg(ROW(i.*)::public.guardrail_deltas) INTO guardrails FROM (
        SELECT guardrail_id, sum(total_checks), sum(violation_count), sum(false_positive_count)
        FROM taken GROUP BY guardrail_id
    ) i;
    PERFORM public.add_guardrail_statistics(guardrails);
    RETURN coalesce(cardinality(templates), 0) + coalesce(cardinality(experiments), 0)
        + coalesce(cardinality(guardrails), 0);
END $$;

-- As in 0021; a batch's deltas go straight into their table.
CREATE OR REPLACE FUNCTION public.update_template_statistics() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    added public.prompt_template_deltas[];
BEGIN
    -- What defers_statistics() says, which would cost as much as counting a small batch.
    IF coalesce(current_setting('prompt_worker.batch', true), '') = 'on' THEN
        INSERT INTO public.prompt_template_deltas
        SELECT template_id, count(*), count(*) FILTER (WHERE status = 'success'),
               count(*) FILTER (WHERE status = 'failure'), coalesce(sum(execution_time_ms), 0),
               count(execution_time_ms), coalesce(sum(token_count), 0), count(token_count),
               coalesce(sum(cost_usd), 0), count(cost_usd)
        FROM inserted
        GROUP BY template_id;
        RETURN NULL;
    END IF;
    SELECT array_agg(ROW(i.*)::public.prompt_template_deltas) INTO added FROM (
        SELECT template_id, count(*), count(*) FILTER (WHERE status = 'success'),
               count(*) FILTER (WHERE status = 'failure'), coalesce(sum(execution_time_ms), 0),
               count(execution_time_ms), coalesce(sum(token_count), 0), count(token_count),
               coalesce(sum(cost_usd), 0), count(cost_usd)
        FROM inserted
        GROUP BY template_id
    ) i;
    PERFORM FROM public.prompt_templates
    WHERE id IN (SELECT template_id FROM unnest(added)) ORDER BY id FOR NO KEY UPDATE;
    PERFORM public.add_template_statistics(added);
    RETURN NULL;
END $$;

-- As in 0023, without a query: a partition has a root, another table none.
CREATE OR REPLACE FUNCTION public.refuse_detached() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pg_partition_root(TG_RELID) IS NULL THEN
        RAISE EXCEPTION '% is a partition no more', TG_RELID::regclass USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN NULL;
END $$;
