-- Relations that have a name which the migrations give to something of their own; for an index, its
-- table, its constraint, and whether it holds times of executions whose zone is still to come.
SELECT c.relname, c.relkind, t.relname, k.conname,
       coalesce(pg_get_indexdef(i.indexrelid) ~ '\mexecuted_at\M' AND EXISTS (
           SELECT FROM pg_attribute a
           WHERE a.attrelid = t.oid AND a.attname = 'executed_at' AND a.atttypid = 'timestamp'::regtype), false)
FROM pg_class c
LEFT JOIN pg_index i ON i.indexrelid = c.oid
LEFT JOIN pg_class t ON t.oid = i.indrelid
LEFT JOIN pg_constraint k ON k.conindid = c.oid AND k.contype IN ('p', 'u', 'x')
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%(names)s)
ORDER BY c.relname
