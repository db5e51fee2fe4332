INSERT INTO ab_test_experiments (name, description, template_name, status, arms, traffic_allocation, primary_metric,
    protected_metrics, unit_kind, environment, minimum_sample_size, confidence_level, target_improvement_percentage,
    created_by)
VALUES (%(name)s, %(description)s, %(template_name)s, 'draft', %(arms)s, %(traffic_allocation)s, %(primary_metric)s,
        %(protected_metrics)s, %(unit_kind)s, %(environment)s, %(planned_units)s, %(confidence_level)s,
        %(target_improvement_percentage)s, %(by)s)
RETURNING id
