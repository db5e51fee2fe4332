SELECT coalesce(json_agg(l ORDER BY l.id), '[]')::text
FROM (
    SELECT id, looked_at, phase, planned, verdict, reason, units, p_value, ratio_p, intervals
    FROM ab_test_looks WHERE experiment_id = %(id)s
) l
