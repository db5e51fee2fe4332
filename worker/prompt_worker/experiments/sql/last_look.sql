SELECT l.numbers FROM ab_test_looks l WHERE l.experiment_id = %(id)s ORDER BY l.id DESC LIMIT 1
