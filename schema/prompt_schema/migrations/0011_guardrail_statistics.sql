-- Guardrail statistics: checks, violations and false positives, added up per statement, recountable from the rows.

-- Each batch writes a new version of every guardrail it checks: leave it room, and clear the old ones early.
ALTER TABLE prompt_guardrails SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- What the counters of each guardrail should be: the one definition that recount and rebuild use.
CREATE VIEW v_guardrail_recount AS
SELECT g.id,
       coalesce(c.total_checks, 0) AS total_checks,
       coalesce(v.violation_count, 0) AS violation_count,
       coalesce(v.false_positive_count, 0) AS false_positive_count
FROM prompt_guardrails g
LEFT JOIN (
    SELECT guardrail_id, sum(events)::integer AS total_checks
    FROM (SELECT guardrail_ids, count(*) AS events FROM guardrail_evaluations GROUP BY guardrail_ids) alike
    CROSS JOIN LATERAL unnest(guardrail_ids) AS guardrail_id
    GROUP BY guardrail_id
) c ON c.guardrail_id = g.id
LEFT JOIN (
    SELECT guardrail_id, count(*)::integer AS violation_count, count(false_positive_at)::integer AS false_positive_count
    FROM guardrail_violations
    WHERE NOT repeated
    GROUP BY guardrail_id
) v ON v.guardrail_id = g.id;

-- A batch counts twice, checks and then violations, perhaps of other guardrails: the first locks all for both, in the
-- order of id, so that writers never deadlock. A deployment has a few dozen guardrails, and most batches check them all.
CREATE FUNCTION lock_guardrail_statistics() RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM FROM prompt_guardrails ORDER BY id FOR NO KEY UPDATE;
END $$;

-- Safe beside writers: they hold the locks from counting to commit, so the recount sees their rows or they wait.
CREATE FUNCTION rebuild_guardrail_statistics(guardrail uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM FROM prompt_guardrails WHERE id = guardrail FOR NO KEY UPDATE;
    UPDATE prompt_guardrails g
    SET total_checks = r.total_checks,
        violation_count = r.violation_count,
        false_positive_count = r.false_positive_count
    FROM v_guardrail_recount r
    WHERE r.id = guardrail AND g.id = guardrail;
END $$;

CREATE FUNCTION count_guardrail_evaluations() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM lock_guardrail_statistics();
    UPDATE prompt_guardrails g
    SET total_checks = coalesce(g.total_checks, 0) + i.checks
    FROM (
        SELECT guardrail_id, sum(events)::integer AS checks
        FROM (SELECT guardrail_ids, count(*) AS events FROM inserted GROUP BY guardrail_ids) alike
        CROSS JOIN LATERAL unnest(guardrail_ids) AS guardrail_id
        GROUP BY guardrail_id
    ) i
    WHERE g.id = i.guardrail_id;
    RETURN NULL;
END $$;

CREATE FUNCTION count_guardrail_violations() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM lock_guardrail_statistics();
    UPDATE prompt_guardrails g
    SET violation_count = coalesce(g.violation_count, 0) + i.violations,
        false_positive_count = coalesce(g.false_positive_count, 0) + i.false_positives
    FROM (
        SELECT guardrail_id, count(*) AS violations, count(false_positive_at) AS false_positives
        FROM inserted
        WHERE NOT repeated
        GROUP BY guardrail_id
    ) i
    WHERE g.id = i.guardrail_id;
    RETURN NULL;
END $$;

-- An owner marks violations as false, or takes that back.
CREATE FUNCTION count_false_positives() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM lock_guardrail_statistics();
    UPDATE prompt_guardrails g
    SET false_positive_count = coalesce(g.false_positive_count, 0) + i.added
    FROM (
        SELECT n.guardrail_id, count(n.false_positive_at) - count(o.false_positive_at) AS added
        FROM old_rows o JOIN new_rows n USING (id)
        WHERE NOT n.repeated
        GROUP BY n.guardrail_id
    ) i
    WHERE g.id = i.guardrail_id AND i.added <> 0;
    RETURN NULL;
END $$;

REVOKE EXECUTE ON FUNCTION lock_guardrail_statistics, rebuild_guardrail_statistics, count_guardrail_evaluations,
    count_guardrail_violations, count_false_positives FROM PUBLIC;

CREATE TRIGGER trigger_count_guardrail_evaluations AFTER INSERT ON guardrail_evaluations
    REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION count_guardrail_evaluations();
CREATE TRIGGER trigger_count_guardrail_violations AFTER INSERT ON guardrail_violations
    REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION count_guardrail_violations();
CREATE TRIGGER trigger_count_false_positives AFTER UPDATE ON guardrail_violations
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_false_positives();

SELECT rebuild_guardrail_statistics(id) FROM prompt_guardrails ORDER BY id;

REVOKE ALL ON v_guardrail_recount FROM PUBLIC;
GRANT SELECT ON v_guardrail_recount TO prompt_operator;
GRANT EXECUTE ON FUNCTION rebuild_guardrail_statistics TO prompt_operator;
-- The triggers count these now.
REVOKE INSERT (false_positive_count), UPDATE (false_positive_count) ON prompt_guardrails FROM prompt_operator;
