SELECT jsonb_build_object(
    'id', e.id, 'name', e.name, 'template_name', e.template_name, 'status', e.status, 'kind', e.kind, 'arms', e.arms,
    'unit_kind', e.unit_kind, 'environment', e.environment, 'primary_metric', e.primary_metric,
    'protected_metrics', e.protected_metrics, 'auto_rollback', e.auto_rollback,
    'counts_violations', e.counts_violations, 'steps', e.steps, 'minimum_sample_size', coalesce(e.minimum_sample_size, 1000),
    'confidence_level', coalesce(e.confidence_level, 0.95),
    'target_improvement_percentage', e.target_improvement_percentage,
    'actual_start_date', e.actual_start_date, 'actual_end_date', e.actual_end_date, 'verdict', e.verdict,
    'verdict_reason', e.verdict_reason, 'looked_at', e.looked_at, 'winner_variant', e.winner_variant,
    'winner_declared_by', e.winner_declared_by, 'phases', coalesce((
        SELECT jsonb_agg(jsonb_build_object('phase', p.phase, 'seed', p.seed, 'ranges', p.ranges,
                                            'restarts', p.restarts, 'started_at', p.started_at,
                                            'ended_at', p.ended_at, 'why', p.why) ORDER BY p.phase)
        FROM ab_test_phases p WHERE p.experiment_id = e.id), '[]'))
FROM ab_test_experiments e
WHERE (%(name)s::text IS NULL OR e.name = %(name)s::text)
  AND (NOT %(running)s OR e.status IN ('active', 'paused') AND e.arms IS NOT NULL)
ORDER BY e.created_at DESC, e.id DESC
