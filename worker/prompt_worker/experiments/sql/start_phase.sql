INSERT INTO ab_test_phases (experiment_id, phase, seed, ranges, allocation, restarts, why, created_by)
VALUES (%(id)s, %(phase)s, %(seed)s, %(ranges)s, %(allocation)s, %(restarts)s, %(why)s, %(by)s)
