-- An experiment is recounted without its row's lock: what is missing is added afterwards, and nobody waits for the counting.

-- As the other rebuilds: what the rows say less what the counter and the deltas say is the same at every moment, as long
-- as the rule is. The shared rule lock, taken first, keeps it, and two rebuilds wait for each other.
CREATE OR REPLACE FUNCTION public.rebuild_ab_test_statistics(experiment uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    key CONSTANT bigint := 7020100946810392;
    missing record;
BEGIN
    PERFORM public.lock_ab_test_statistics(alone => false);
    PERFORM pg_advisory_xact_lock(key);
    SELECT r.total_executions - s.total_executions AS total_executions,
           r.control_executions - s.control_executions AS control_executions,
           (SELECT jsonb_object_agg(name, coalesce((r.variant_executions ->> name)::bigint, 0)
                                          - coalesce((s.variant_executions ->> name)::bigint, 0))
            FROM jsonb_object_keys(r.variant_executions || s.variant_executions) name) AS variant_executions
    INTO missing
    FROM public.v_ab_test_recount r JOIN public.v_ab_test_statistics s ON s.id = r.id
    WHERE r.id = experiment;
    UPDATE public.ab_test_experiments e
    SET total_executions = coalesce(e.total_executions, 0) + missing.total_executions,
        control_executions = coalesce(e.control_executions, 0) + missing.control_executions,
        variant_executions = coalesce(e.variant_executions, '{}') || (
            SELECT coalesce(jsonb_object_agg(
                name, coalesce((e.variant_executions ->> name)::bigint, 0) + executions::bigint), '{}')
            FROM jsonb_each_text(missing.variant_executions) AS variant (name, executions))
    WHERE e.id = experiment;
END $$;
