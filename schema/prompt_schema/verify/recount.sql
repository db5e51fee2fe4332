-- Each counter whose stored value is not what the rows give, all seen at one moment.
SELECT checked.in_table, checked.id, checked.key, counter,
       checked.stored ->> counter AS stored,
       checked.counted ->> counter AS counted
FROM (
    SELECT 'prompt_templates' AS in_table, id, format('%s v%s', name, version) AS key,
           to_jsonb(t) AS stored, to_jsonb(r) - 'id' AS counted
    FROM prompt_templates t JOIN v_template_recount r USING (id)
    UNION ALL
    SELECT 'ab_test_experiments', id, name, to_jsonb(e), to_jsonb(r) - 'id'
    FROM ab_test_experiments e JOIN v_ab_test_recount r USING (id)
    UNION ALL
    SELECT 'prompt_guardrails', id, name, to_jsonb(g), to_jsonb(r) - 'id'
    FROM prompt_guardrails g JOIN v_guardrail_recount r USING (id)
) checked
CROSS JOIN LATERAL jsonb_object_keys(checked.counted) AS counter
WHERE checked.stored -> counter IS DISTINCT FROM checked.counted -> counter
ORDER BY 1 DESC, 3, 4
