-- Marks a violation as false, or with nobody's name as not false. One that is so already is left as it is.
UPDATE guardrail_violations
SET false_positive_by = %(by)s, false_positive_at = CASE WHEN %(by)s IS NOT NULL THEN now() END
WHERE id = %(id)s AND (false_positive_by IS NULL) = (%(by)s IS NOT NULL)
