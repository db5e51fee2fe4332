-- The guardrails to apply.
SELECT id::text, name, guardrail_type, severity, action, config,
       coalesce(applies_to_templates, '{}') AS applies_to_templates,
       coalesce(applies_to_categories, '{}') AS applies_to_categories
FROM prompt_guardrails
WHERE is_active
ORDER BY id
