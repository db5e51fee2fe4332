-- The newest rollout of a prompt, at its last step.
SELECT jsonb_build_object(
    'id', e.id, 'experiment', e.name, 'name', e.template_name, 'status', e.status, 'phase', p.phase,
    'control', jsonb_build_object('version', control.version, 'units', l.units -> 'control',
                                  'failing', l.failing -> 'control'),
    'canary', jsonb_build_object('version', canary.version, 'units', l.units -> 'canary',
                                 'failing', l.failing -> 'canary'),
    'percent', p.allocation -> 'canary', 'steps', e.steps, 'since', p.started_at, 'why', p.why, 'by', p.created_by,
    'ended_at', e.actual_end_date, 'promoted', coalesce(e.winner_variant = 'canary', false), 'unit_kind', e.unit_kind,
    'auto_rollback', e.auto_rollback, 'counts_violations', e.counts_violations, 'verdict', e.verdict,
    'reason', e.verdict_reason, 'looked_at', e.looked_at,
    'unwatched_seconds', extract(epoch FROM now() - coalesce(e.looked_at, p.started_at)), 'excluded', l.excluded, 'seed', p.seed, 'ranges', p.ranges)
FROM ab_test_experiments e
CROSS JOIN LATERAL (
    SELECT p.* FROM ab_test_phases p
    WHERE p.experiment_id = e.id
    ORDER BY p.phase DESC
    LIMIT 1
) p
LEFT JOIN LATERAL (
    SELECT l.numbers #> '{evidence,units}' AS units, l.numbers #> '{evidence,failing}' AS failing,
           l.numbers #> '{evidence,excluded}' AS excluded
    FROM ab_test_looks l WHERE l.experiment_id = e.id AND l.phase = p.phase
    ORDER BY l.id DESC
    LIMIT 1
) l ON true
JOIN prompt_templates control ON control.id = (e.arms ->> 'control')::uuid
JOIN prompt_templates canary ON canary.id = (e.arms ->> 'canary')::uuid
WHERE e.kind = 'rollout' AND e.template_name = %(name)s
ORDER BY e.created_at DESC, e.id DESC
LIMIT 1
