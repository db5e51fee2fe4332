-- Experiments and rollouts on a prompt, each in its phase of a moment or of now. Without a right on what changes were from,
-- its status is the present one, and `is_certain` false where something of it was changed since.
SELECT e.id::text, e.name, e.kind, e.unit_kind, e.environment, e.arms, p.phase, p.seed, p.ranges, e.status,
       %(at)s::timestamptz IS NULL OR NOT EXISTS (
           SELECT FROM prompt_history h
           WHERE h.kind = 'experiment' AND h.subject = e.name AND h.action = 'edited' AND h.at > %(at)s) AS is_certain
FROM ab_test_experiments e
JOIN LATERAL (
    SELECT * FROM ab_test_phases p
    WHERE p.experiment_id = e.id AND p.started_at <= coalesce(%(at)s::timestamptz, 'infinity')
      AND (p.ended_at IS NULL OR p.ended_at > %(at)s)
    ORDER BY p.phase DESC LIMIT 1
) p ON true
WHERE e.template_name = %(name)s AND e.arms IS NOT NULL
