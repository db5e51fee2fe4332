-- The registry's document, as prompts/registry/document.py reads it. Both sides of a change are never in one: run it in
-- one REPEATABLE READ transaction with the revision.
WITH numbered AS (
    SELECT *, row_number() OVER (PARTITION BY name ORDER BY version DESC) AS age,
           -- In production is one: of versions that are active in groups of a test, as before, that of its control.
           is_active AND row_number() OVER (
               PARTITION BY name, is_active
               ORDER BY ab_test_group IS NULL DESC, ab_test_group = 'control' DESC, version DESC) = 1 AS is_production
    FROM prompt_templates
    -- An event has a version from 1.
    WHERE version >= 1
),
ruled AS (
    SELECT name, rule ->> 'version' AS version
    FROM prompt_names, jsonb_array_elements(rules) AS rule
    WHERE jsonb_typeof(rules) = 'array' AND jsonb_typeof(rule) = 'object' AND jsonb_typeof(rule -> 'version') = 'number'
),
texts AS (
    SELECT id AS template_id, template_text AS part FROM prompt_templates
    UNION ALL SELECT id, messages::text FROM prompt_templates WHERE messages IS NOT NULL
    UNION ALL SELECT template_id, coalesce(template_text, messages::text) FROM prompt_translations
),
-- Also the text of messages, where quotes are escaped.
included AS (
    SELECT DISTINCT found[1] AS name, found[2] AS version
    FROM texts, regexp_matches(part, '\minclude\s+\\?["'']([^"''\\]+)@([1-9][0-9]{0,8})\\?["'']', 'g') AS found
    WHERE part LIKE '%include%@%'
),
-- Those that run, and of each name the last one, whose versions conversations may still have a ref of.
tested AS (
    SELECT unnest(control_template_id || variant_template_ids) AS id
    FROM (
        SELECT control_template_id, variant_template_ids, status,
               row_number() OVER (PARTITION BY template_name ORDER BY actual_end_date DESC NULLS FIRST, id) AS place
        FROM ab_test_experiments WHERE status <> 'draft'
    ) started
    WHERE status IN ('active', 'paused') OR place = 1
),
running AS (
    SELECT e.name, e.id, json_build_object(
        'name', e.name,
        'experiment_id', e.id,
        'template_name', e.template_name,
        'kind', e.kind,
        'unit_kind', e.unit_kind,
        'environment', e.environment,
        'phase', p.phase,
        'seed', p.seed,
        'ranges', p.ranges,
        'arms', e.arms) AS part
    FROM ab_test_experiments e
    LEFT JOIN LATERAL (
        SELECT * FROM ab_test_phases p
        WHERE p.experiment_id = e.id AND p.ended_at IS NULL ORDER BY p.phase DESC LIMIT 1
    ) p ON true
    WHERE e.status = 'active' AND e.arms IS NOT NULL
),
chosen AS (
    SELECT * FROM numbered each
    WHERE is_active OR age <= 20 OR ab_test_group IS NOT NULL AND traffic_percentage > 0
       OR EXISTS (SELECT FROM prompt_labels WHERE template_id = each.id)
       OR EXISTS (SELECT FROM ruled WHERE ruled.name = each.name AND ruled.version = each.version::text)
       OR EXISTS (SELECT FROM included WHERE included.name = each.name AND included.version = each.version::text)
       OR EXISTS (SELECT FROM tested WHERE tested.id = each.id)
),
translated AS (
    SELECT template_id, jsonb_object_agg(language, coalesce(to_jsonb(template_text), messages)) AS by_language
    FROM prompt_translations GROUP BY template_id
),
labelled AS (
    SELECT labels.name, jsonb_object_agg(label, version) AS versions
    FROM prompt_labels labels JOIN chosen ON chosen.id = template_id GROUP BY labels.name
),
categories AS (
    SELECT DISTINCT ON (name) name, category FROM numbered ORDER BY name, is_active DESC NULLS LAST, version DESC
)
SELECT json_build_object(
    'format', 1,
    'registry_id', registry_id,
    'epoch', epoch,
    'revision', revision,
    'made_at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'names', (
        SELECT coalesce(json_object_agg(name, json_build_object(
            'category', category,
            'blocked', blocked_reason,
            'labels', coalesce(versions, '{}'),
            'rules', coalesce(rules, '[]'))), '{}')
        FROM categories FULL JOIN prompt_names USING (name) LEFT JOIN labelled USING (name)
    ),
    'versions', (
        SELECT coalesce(json_agg(json_build_object(
            'name', name,
            'version', version,
            'template_id', id,
            'is_active', coalesce(is_production, false),
            'group', ab_test_group,
            'content_sha256', content_sha256,
            'content', json_build_object(
                'template_text', template_text,
                'messages', messages,
                'variables', coalesce(variables, '[]'),
                'model_config', model_config,
                'output_schema', output_schema,
                'translations', coalesce(by_language, '{}'))) ORDER BY name, version), '[]')
        FROM chosen LEFT JOIN translated ON template_id = id
    ),
    'experiments', (SELECT coalesce(json_agg(part ORDER BY name, id), '[]') FROM running)
)::text
FROM prompt_registry
