UPDATE ab_test_experiments
SET verdict = %(verdict)s, verdict_reason = %(reason)s, looked_at = %(at)s, control_metric_value = %(control)s,
    variant_metric_values = %(variants)s, statistical_significance = %(p_value)s
WHERE id = %(id)s
