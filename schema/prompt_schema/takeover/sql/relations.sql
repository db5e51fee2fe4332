-- Relations that have a name which the migrations give to something of their own; for an index, its table and constraint.
SELECT c.relname, c.relkind, t.relname, k.conname
FROM pg_class c
LEFT JOIN pg_index i ON i.indexrelid = c.oid
LEFT JOIN pg_class t ON t.oid = i.indrelid
LEFT JOIN pg_constraint k ON k.conindid = c.oid AND k.contype IN ('p', 'u', 'x')
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%(names)s)
ORDER BY c.relname
