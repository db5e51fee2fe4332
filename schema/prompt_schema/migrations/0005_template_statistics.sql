-- Template statistics: exact sums over present values, added up per statement, recountable from the rows.

ALTER TABLE prompt_templates
    ADD COLUMN execution_time_ms_sum bigint NOT NULL DEFAULT 0,
    ADD COLUMN execution_time_ms_count integer NOT NULL DEFAULT 0,
    ADD COLUMN token_count_sum bigint NOT NULL DEFAULT 0,
    ADD COLUMN token_count_count integer NOT NULL DEFAULT 0,
    ADD COLUMN cost_usd_sum numeric NOT NULL DEFAULT 0,
    ADD COLUMN cost_usd_count integer NOT NULL DEFAULT 0;

-- Each batch writes a new version of every template it touches: leave it room, and clear the old ones early.
ALTER TABLE prompt_templates SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- What the counters of each template should be: the one definition that recount and rebuild use.
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
           count(*)::integer AS total_executions,
           (count(*) FILTER (WHERE status = 'success'))::integer AS success_count,
           (count(*) FILTER (WHERE status = 'failure'))::integer AS failure_count,
           sum(execution_time_ms) AS execution_time_ms_sum,
           count(execution_time_ms)::integer AS execution_time_ms_count,
           sum(token_count) AS token_count_sum,
           count(token_count)::integer AS token_count_count,
           sum(cost_usd) AS cost_usd_sum,
           count(cost_usd)::integer AS cost_usd_count
    FROM prompt_executions
    GROUP BY template_id
) e ON e.template_id = t.id;

-- Safe beside writers: they hold the row's lock from counting to commit, so the recount sees their rows or they wait.
CREATE FUNCTION rebuild_template_statistics(template uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM FROM prompt_templates WHERE id = template FOR NO KEY UPDATE;
    UPDATE prompt_templates t
    SET total_executions = r.total_executions,
        success_count = r.success_count,
        failure_count = r.failure_count,
        avg_response_time_ms = r.avg_response_time_ms,
        avg_token_count = r.avg_token_count,
        avg_cost_usd = r.avg_cost_usd,
        execution_time_ms_sum = r.execution_time_ms_sum,
        execution_time_ms_count = r.execution_time_ms_count,
        token_count_sum = r.token_count_sum,
        token_count_count = r.token_count_count,
        cost_usd_sum = r.cost_usd_sum,
        cost_usd_count = r.cost_usd_count
    FROM v_template_recount r
    WHERE r.id = template AND t.id = template;
END $$;

-- The hot path: one pass over the batch. Locks in the order of id, so that writers never deadlock; NO KEY, so that
-- foreign keys do not wait.
CREATE FUNCTION update_template_statistics() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
    WITH i AS MATERIALIZED (
        SELECT template_id,
               count(*) AS executions,
               count(*) FILTER (WHERE status = 'success') AS successes,
               count(*) FILTER (WHERE status = 'failure') AS failures,
               coalesce(sum(execution_time_ms), 0) AS execution_time_ms_sum,
               count(execution_time_ms) AS execution_time_ms_count,
               coalesce(sum(token_count), 0) AS token_count_sum,
               count(token_count) AS token_count_count,
               coalesce(sum(cost_usd), 0) AS cost_usd_sum,
               count(cost_usd) AS cost_usd_count
        FROM inserted
        GROUP BY template_id
    ), locked AS MATERIALIZED (
        SELECT id FROM prompt_templates WHERE id IN (SELECT template_id FROM i) ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE prompt_templates t
    SET total_executions = coalesce(t.total_executions, 0) + i.executions,
        success_count = coalesce(t.success_count, 0) + i.successes,
        failure_count = coalesce(t.failure_count, 0) + i.failures,
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
    FROM i JOIN locked ON locked.id = i.template_id
    WHERE t.id = i.template_id;
    RETURN NULL;
END $$;

REVOKE EXECUTE ON FUNCTION rebuild_template_statistics, update_template_statistics FROM PUBLIC;

-- Takes a lock that keeps writers out until commit: the recount below misses none of their rows.
CREATE TRIGGER trigger_update_template_statistics AFTER INSERT ON prompt_executions
    REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION update_template_statistics();

SELECT rebuild_template_statistics(id) FROM prompt_templates ORDER BY id;
