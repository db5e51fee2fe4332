-- Every guardrail with its counters, exact at this moment.
SELECT g.name, g.guardrail_type, g.description, coalesce(g.is_active, false), g.severity, g.action, g.config,
       coalesce(g.applies_to_templates, '{}')::text[], coalesce(g.applies_to_categories, '{}')::text[],
       s.total_checks, s.violation_count, s.false_positive_count
FROM prompt_guardrails g JOIN v_guardrail_statistics s ON s.id = g.id
ORDER BY g.is_active DESC NULLS LAST, g.name
LIMIT 500
