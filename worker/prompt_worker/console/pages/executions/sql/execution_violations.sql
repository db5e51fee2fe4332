SELECT id::text, guardrail_name, field, rule, severity, action, preview, false_positive_by
FROM guardrail_violations
WHERE event_id = %(id)s::uuid AND NOT repeated
ORDER BY guardrail_name, field, span_start
LIMIT 200
