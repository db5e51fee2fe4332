-- What guardrails found: an evaluation for each event, and its violations, never with the text that was matched.

-- No foreign key to the execution: the guardrail worker may be first, and an execution may be rejected.
CREATE TABLE guardrail_evaluations (
    event_id uuid PRIMARY KEY,
    guardrail_ids uuid[] NOT NULL, -- what was checked
    outcome varchar(10) NOT NULL CHECK (outcome IN ('allow', 'warn', 'block')),
    detector_version varchar(255) NOT NULL,
    evaluation_ms real NOT NULL, -- its share of its batch
    evaluated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE guardrail_violations (
    id uuid PRIMARY KEY DEFAULT uuid_v7(),
    event_id uuid NOT NULL,
    source varchar(10) NOT NULL CHECK (source IN ('worker', 'inline')),
    repeated boolean NOT NULL DEFAULT false, -- came inline, and the worker found the same: kept, and counted once
    guardrail_id uuid,                       -- null for an inline violation of a guardrail that nobody knows
    guardrail_name varchar(255) NOT NULL,
    guardrail_type varchar(100),
    config_hash varchar(64),
    severity varchar(50),
    action varchar(50),
    template_name varchar(255),
    user_id varchar(255),
    environment varchar(50),
    field varchar(255) NOT NULL, -- prompt, variable:NAME, response; of an inline one, its place in the event
    rule varchar(255) NOT NULL,
    span_start integer,          -- in characters of the field's raw text
    span_end integer,
    score double precision,
    preview varchar(255),        -- masked
    match_hmac varchar(64),
    hmac_key_id varchar(50),
    detector_version varchar(50),
    executed_at timestamptz NOT NULL,
    detected_at timestamptz NOT NULL DEFAULT now(),
    false_positive_by varchar(255),
    false_positive_at timestamptz,
    UNIQUE NULLS NOT DISTINCT (event_id, guardrail_name, field, rule, span_start, span_end),
    CHECK ((false_positive_by IS NULL) = (false_positive_at IS NULL))
);

CREATE INDEX idx_guardrail_violations_guardrail ON guardrail_violations (guardrail_id, executed_at);
CREATE INDEX idx_guardrail_violations_template ON guardrail_violations (template_name, executed_at);

-- What came inline until now. An element is an object; a bare string is taken for the guardrail's name.
INSERT INTO guardrail_violations (event_id, source, guardrail_id, guardrail_name, guardrail_type, severity, action,
    template_name, user_id, environment, field, rule, executed_at)
SELECT e.id, 'inline', g.id, inline.guardrail_name, left(v ->> 'guardrail_type', 100), left(v ->> 'severity', 50),
       left(v ->> 'action', 50), e.template_name, e.user_id, e.environment,
       format('guardrail_violations[%s]', position - 1), 'inline', coalesce(e.executed_at, now())
FROM prompt_executions e
CROSS JOIN LATERAL jsonb_array_elements(
    CASE jsonb_typeof(e.guardrail_violations) WHEN 'array' THEN e.guardrail_violations ELSE '[]' END)
    WITH ORDINALITY AS element (v, position)
CROSS JOIN LATERAL (SELECT left(coalesce(
    v ->> 'guardrail_name', CASE jsonb_typeof(v) WHEN 'string' THEN v #>> '{}' END, 'unknown'), 255)) inline (guardrail_name)
LEFT JOIN prompt_guardrails g ON g.name = inline.guardrail_name
WHERE e.guardrail_violations <> '[]';

-- In place, so that what it was granted to other programs stays.
CREATE OR REPLACE VIEW v_guardrail_violations_summary AS
SELECT template_name,
       guardrail_name::text AS guardrail_name,
       guardrail_type::text AS guardrail_type,
       count(*) AS violation_count,
       count(DISTINCT user_id) AS affected_users,
       max(executed_at) AS last_violation
FROM guardrail_violations
WHERE NOT repeated
GROUP BY 1, 2, 3;

-- Trends: by the day (UTC) of the execution, however late it was evaluated.
CREATE VIEW v_guardrail_violations_daily AS
SELECT (executed_at AT TIME ZONE 'UTC')::date AS day,
       guardrail_name, guardrail_type, template_name,
       count(*) AS violation_count,
       count(DISTINCT event_id) AS affected_executions,
       count(DISTINCT user_id) AS affected_users,
       count(false_positive_at) AS false_positive_count
FROM guardrail_violations
WHERE NOT repeated
GROUP BY 1, 2, 3, 4;

REVOKE ALL ON guardrail_evaluations, guardrail_violations, v_guardrail_violations_daily FROM PUBLIC;
GRANT SELECT ON v_guardrail_violations_daily TO prompt_reader;
-- Adds what it found, and can neither change nor read it; template_text tells a template's own words from its input.
GRANT INSERT ON guardrail_violations TO prompt_guardrail_worker;
GRANT INSERT, SELECT (event_id) ON guardrail_evaluations TO prompt_guardrail_worker;
GRANT SELECT (template_text) ON prompt_templates TO prompt_guardrail_worker;
GRANT SELECT ON guardrail_evaluations, guardrail_violations, v_guardrail_violations_daily TO prompt_operator;
GRANT UPDATE (false_positive_by, false_positive_at) ON guardrail_violations TO prompt_operator;
