-- The violations of one batch, as JSON. Existing ones, such as inline ones that a migration took over, are left alone.
INSERT INTO guardrail_violations (
    id, event_id, source, repeated, guardrail_id, guardrail_name, guardrail_type, config_hash, severity, action,
    template_name, user_id, environment, field, rule, span_start, span_end, score, preview, match_hmac, hmac_key_id,
    detector_version, executed_at
)
SELECT v.id, v.event_id, v.source, v.repeated, coalesce(v.guardrail_id, g.id), v.guardrail_name, v.guardrail_type,
       v.config_hash, v.severity, v.action, v.template_name, v.user_id, v.environment, v.field, v.rule, v.span_start,
       v.span_end, v.score, v.preview, v.match_hmac, v.hmac_key_id, v.detector_version, v.executed_at
FROM jsonb_to_recordset(%(violations)s::jsonb) AS v (
    id uuid, event_id uuid, source text, repeated boolean, guardrail_id uuid, guardrail_name text, guardrail_type text,
    config_hash text, severity text, action text, template_name text, user_id text, environment text, field text,
    rule text, span_start integer, span_end integer, score double precision, preview text, match_hmac text,
    hmac_key_id text, detector_version text, executed_at timestamptz
)
LEFT JOIN prompt_guardrails g ON g.name = v.guardrail_name
ON CONFLICT DO NOTHING
