-- Units a day of a prompt, over the last 14 days: a new unit counts once.
SELECT count(DISTINCT coalesce(x.assignment_unit, x.user_id, x.session_id)) / 14.0
FROM prompt_executions x
JOIN prompt_templates t ON t.id = x.template_id
WHERE t.name = %(name)s AND x.executed_at >= now() - interval '14 days'
  AND (%(environment)s::text IS NULL OR x.environment = %(environment)s::text)
