INSERT INTO ab_test_looks (experiment_id, phase, looked_at, planned, verdict, reason, units, p_value, ratio_p,
                           intervals, numbers)
VALUES (%(experiment_id)s, %(phase)s, %(looked_at)s, %(planned)s, %(verdict)s, %(reason)s, %(units)s, %(p_value)s,
        %(ratio_p)s, %(intervals)s, %(numbers)s)
