SELECT l.id, l.looked_at, l.phase, l.planned, l.verdict, l.reason, l.units, l.p_value, l.ratio_p, l.intervals
FROM ab_test_looks l WHERE l.experiment_id = %(id)s ORDER BY l.id
