-- Templates that executions name and that are gone, with the name and version that the last of them was served under.
SELECT e.template_id, (array_agg(e.template_name ORDER BY e.executed_at DESC NULLS LAST))[1],
       (array_agg(e.template_version ORDER BY e.executed_at DESC NULLS LAST))[1], count(*)
FROM public.prompt_executions e
WHERE NOT EXISTS (SELECT FROM public.prompt_templates t WHERE t.id = e.template_id)
GROUP BY e.template_id
ORDER BY 2, 3, 1
