-- A/B statistics: an execution counts where its name, its group and its time fall into an experiment that has run.

-- Ended without a date in phase 1: the best date there is.
UPDATE ab_test_experiments
SET actual_end_date = coalesce(winner_declared_at, updated_at, now())
WHERE status IN ('completed', 'cancelled') AND actual_end_date IS NULL;

-- What the counters of each experiment should be. A group that was ever counted stays in the list, with 0.
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
    SELECT sum(executions)::integer AS total_executions,
           (sum(executions) FILTER (WHERE ab_test_group = 'control'))::integer AS control_executions,
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

-- Whoever counts executions holds this lock shared, whoever changes what counts holds it alone: so a recount sees every
-- row that was not counted under the new rule. An older snapshot would not, hence READ COMMITTED.
CREATE FUNCTION lock_ab_test_statistics(alone boolean) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp
AS $$
DECLARE
    key CONSTANT bigint := 7020100946810384;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'A/B statistics are kept in READ COMMITTED transactions only'
            USING ERRCODE = 'invalid_transaction_state',
                  HINT = 'Run this statement in a transaction with isolation level READ COMMITTED.';
    END IF;
    IF alone THEN
        PERFORM pg_advisory_xact_lock(key);
    ELSE
        PERFORM pg_advisory_xact_lock_shared(key);
    END IF;
END $$;

CREATE FUNCTION rebuild_ab_test_statistics(experiment uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM lock_ab_test_statistics(alone => true);
    UPDATE ab_test_experiments e
    SET total_executions = r.total_executions,
        control_executions = r.control_executions,
        variant_executions = r.variant_executions
    FROM v_ab_test_recount r
    WHERE r.id = experiment AND e.id = experiment;
END $$;

-- The hot path: a batch without groups costs one look at its rows.
CREATE FUNCTION update_ab_test_statistics() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM inserted WHERE ab_test_group IS NOT NULL) THEN
        RETURN NULL;
    END IF;
    PERFORM lock_ab_test_statistics(alone => false);
    PERFORM FROM ab_test_experiments
    WHERE template_name IN (SELECT template_name FROM inserted WHERE ab_test_group IS NOT NULL)
      AND status IN ('active', 'paused', 'completed')
    ORDER BY id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE ab_test_experiments e
    SET total_executions = coalesce(e.total_executions, 0) + i.executions,
        control_executions = coalesce(e.control_executions, 0) + i.control_executions,
        variant_executions = coalesce(e.variant_executions, '{}') || (
            SELECT coalesce(jsonb_object_agg(
                name, coalesce((e.variant_executions ->> name)::bigint, 0) + executions::bigint), '{}')
            FROM jsonb_each_text(i.variant_executions) AS variant (name, executions))
    FROM (
        SELECT id,
               sum(executions) AS executions,
               coalesce(sum(executions) FILTER (WHERE ab_test_group = 'control'), 0) AS control_executions,
               coalesce(jsonb_object_agg(ab_test_group, executions) FILTER (WHERE ab_test_group <> 'control'), '{}')
                   AS variant_executions
        FROM (
            SELECT x.id, r.ab_test_group, count(*) AS executions
            FROM inserted r
            JOIN ab_test_experiments x ON x.template_name = r.template_name
            WHERE r.ab_test_group IS NOT NULL
              AND x.status IN ('active', 'paused', 'completed')
              AND r.executed_at >= coalesce(x.actual_start_date, '-infinity')
              AND r.executed_at < coalesce(x.actual_end_date, 'infinity')
            GROUP BY x.id, r.ab_test_group
        ) per_group
        GROUP BY id
    ) i
    WHERE e.id = i.id;
    RETURN NULL;
END $$;

-- Before the statement takes any row lock, or a writer that waits for the row could hold the lock that we want.
CREATE FUNCTION lock_ab_test_rule() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM lock_ab_test_statistics(alone => true);
    RETURN NULL;
END $$;

CREATE FUNCTION end_ab_test() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp
AS $$
BEGIN
    NEW.actual_end_date := coalesce(NEW.actual_end_date, now());
    RETURN NEW;
END $$;

CREATE FUNCTION recount_ab_test() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM rebuild_ab_test_statistics(NEW.id);
    RETURN NULL;
END $$;

REVOKE EXECUTE ON FUNCTION rebuild_ab_test_statistics, update_ab_test_statistics, recount_ab_test FROM PUBLIC;

CREATE TRIGGER trigger_lock_ab_test_rule
    BEFORE INSERT OR UPDATE OF status, template_name, actual_start_date, actual_end_date ON ab_test_experiments
    FOR EACH STATEMENT EXECUTE FUNCTION lock_ab_test_rule();
CREATE TRIGGER trigger_end_ab_test BEFORE INSERT OR UPDATE OF status, actual_end_date ON ab_test_experiments
    FOR EACH ROW WHEN (NEW.status IN ('completed', 'cancelled')) EXECUTE FUNCTION end_ab_test();
CREATE TRIGGER trigger_recount_ab_test
    AFTER INSERT OR UPDATE OF status, template_name, actual_start_date, actual_end_date ON ab_test_experiments
    FOR EACH ROW EXECUTE FUNCTION recount_ab_test();

-- Takes a lock that keeps writers out until commit: the recount below misses none of their rows.
CREATE TRIGGER trigger_update_ab_test_statistics AFTER INSERT ON prompt_executions
    REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION update_ab_test_statistics();

SELECT rebuild_ab_test_statistics(id) FROM ab_test_experiments ORDER BY id;
