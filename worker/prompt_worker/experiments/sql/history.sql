-- What the planned look found, if it is done; the smallest p-value of the sample ratio; and what the last look saw.
SELECT (SELECT l.numbers -> 'planned' FROM ab_test_looks l WHERE l.experiment_id = %(id)s AND l.planned),
       (SELECT l.looked_at FROM ab_test_looks l WHERE l.experiment_id = %(id)s AND l.planned),
       (SELECT min(l.ratio_p) FROM ab_test_looks l WHERE l.experiment_id = %(id)s AND l.phase >= %(first)s),
       (SELECT l.numbers -> 'seen' FROM ab_test_looks l WHERE l.experiment_id = %(id)s ORDER BY l.id DESC LIMIT 1)
