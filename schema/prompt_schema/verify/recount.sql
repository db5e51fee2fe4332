-- Each counter whose stored value is not what the rows give, all seen at one moment.
SELECT checked.in_table, checked.id, checked.key, counter,
       checked.stored ->> counter AS stored,
       checked.counted ->> counter AS counted
FROM (
    SELECT 'prompt_templates' AS in_table, id, format('%s v%s', name, version) AS key,
           to_jsonb(s.*) AS stored, to_jsonb(r.*) - 'id' AS counted
    FROM prompt_templates t JOIN v_template_statistics s USING (id) JOIN v_template_recount r USING (id)
    UNION ALL
    SELECT 'ab_test_experiments', id, name, to_jsonb(s.*), to_jsonb(r.*) - 'id'
    FROM ab_test_experiments e JOIN v_ab_test_statistics s USING (id) JOIN v_ab_test_recount r USING (id)
    UNION ALL
    SELECT 'prompt_guardrails', id, name, to_jsonb(s.*), to_jsonb(r.*) - 'id'
    FROM prompt_guardrails g JOIN v_guardrail_statistics s USING (id) JOIN v_guardrail_recount r USING (id)
) checked
CROSS JOIN LATERAL jsonb_object_keys(checked.counted) AS counter
WHERE checked.stored -> counter IS DISTINCT FROM checked.counted -> counter
UNION ALL
-- Executions that count for a template which never had the name that they give.
SELECT 'prompt_executions', e.template_id, format('%s v%s', e.template_name, e.template_version), 'template',
       format('%s executions of %s v%s', e.executions, t.name, t.version), '0 executions'
FROM (
    SELECT template_id, template_name, template_version, count(*) AS executions
    FROM prompt_executions
    GROUP BY template_id, template_name, template_version
) e
JOIN prompt_templates t ON t.id = e.template_id
WHERE (t.name, t.version) IS DISTINCT FROM (e.template_name, e.template_version)
  AND NOT EXISTS (
      SELECT FROM prompt_template_names f
      WHERE (f.template_id, f.name, f.version) = (e.template_id, e.template_name, e.template_version))
ORDER BY 1 DESC, 3, 4
