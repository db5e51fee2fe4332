-- The partitions of these tables, the default one last: table, partition, first day of its month, estimated rows, bytes.
SELECT parent.relname, c.relname, p.month, greatest(c.reltuples, 0)::bigint, pg_total_relation_size(c.oid)
FROM pg_class parent
CROSS JOIN LATERAL public.table_partitions(parent.oid) p
JOIN pg_class c ON c.oid = p.partition
WHERE parent.relnamespace = 'public'::regnamespace AND parent.relname = ANY (:tables)
ORDER BY parent.relname DESC, p.month NULLS LAST
