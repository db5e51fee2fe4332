-- Marks a violation as false by somebody, or removes the mark where the name is NULL. Changes nothing the second time.
UPDATE guardrail_violations
SET false_positive_by = %(by)s, false_positive_at = CASE WHEN %(by)s IS NOT NULL THEN now() END
WHERE id = %(id)s AND (false_positive_by IS NULL) = (%(by)s IS NOT NULL)
