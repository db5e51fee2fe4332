UPDATE ab_test_experiments SET winner_variant = %(winner)s, winner_declared_at = %(at)s WHERE id = %(id)s
