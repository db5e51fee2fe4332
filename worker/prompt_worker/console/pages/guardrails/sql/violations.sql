-- Violations, the newest first, by index: of each guardrail the newest ones; also of those that nobody knows (null).
WITH known AS (
    SELECT id FROM prompt_guardrails WHERE %(guardrail)s IS NULL OR name = %(guardrail)s
), of_known AS (
    SELECT v.*
    FROM known k CROSS JOIN LATERAL (
        SELECT x.*
        FROM guardrail_violations x
        WHERE x.guardrail_id = k.id AND NOT x.repeated AND x.executed_at <= %(at)s
          AND (x.executed_at, x.id) < (%(at)s, %(after)s::uuid)
          AND (%(prompt)s IS NULL OR x.template_name = %(prompt)s)
        ORDER BY x.executed_at DESC, x.id DESC
        LIMIT %(lines)s
    ) v
), of_unknown AS (
    SELECT x.*
    FROM guardrail_violations x
    WHERE x.guardrail_id IS NULL AND NOT x.repeated AND x.executed_at <= %(at)s
      AND (x.executed_at, x.id) < (%(at)s, %(after)s::uuid)
      AND (%(prompt)s IS NULL OR x.template_name = %(prompt)s)
      AND (%(guardrail)s IS NULL OR x.guardrail_name = %(guardrail)s)
    ORDER BY x.executed_at DESC, x.id DESC
    LIMIT %(lines)s
)
SELECT id::text, executed_at, event_id::text, guardrail_name, template_name, field, rule, severity, action, score, preview,
       false_positive_by
FROM (TABLE of_known UNION ALL TABLE of_unknown) v
ORDER BY executed_at DESC, v.id DESC
LIMIT %(lines)s
