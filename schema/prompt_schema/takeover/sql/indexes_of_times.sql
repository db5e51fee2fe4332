-- Other programs' indexes over the times of executions, where these still lack their zone.
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
FROM pg_index i
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = 'executed_at' AND a.atttypid = 'timestamp'::regtype
JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = to_regclass('public.prompt_executions') AND a.attnum = ANY (i.indkey) AND c.relname <> ALL (%(ours)s)
ORDER BY 1
