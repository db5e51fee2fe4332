-- Indexes of these tables that a partition lacks: index, partition, the name and the definition of what it should have,
-- and whether one of that name was left behind.
SELECT i.indexrelid::regclass::text AS index, d.relname AS partition, n.name,
       replace(replace(pg_get_indexdef(i.indexrelid), format(' ON ONLY public.%I ', t.relname),
                       format(' ON public.%I ', d.relname)),
               format('INDEX %I ', x.relname), format('INDEX CONCURRENTLY %s ', n.name)) AS definition,
       to_regclass('public.' || n.name) IS NOT NULL AS broken
FROM pg_class t
JOIN pg_index i ON i.indrelid = t.oid
JOIN pg_class x ON x.oid = i.indexrelid
CROSS JOIN LATERAL public.table_partitions(t.oid) p
JOIN pg_class d ON d.oid = p.partition
CROSS JOIN LATERAL (
    -- Two long names may begin with the same characters.
    SELECT quote_ident(CASE WHEN octet_length(x.relname) <= 55 THEN x.relname::text
                            ELSE left(x.relname, 22) || '_' || left(md5(x.relname), 8) END
                       || coalesce(to_char(p.month, '_YYYY_MM'), '_default')) AS name
) n
WHERE t.relnamespace = 'public'::regnamespace AND t.relname = ANY (:tables)
  AND NOT EXISTS (SELECT FROM pg_index a JOIN pg_inherits h ON h.inhrelid = a.indexrelid
                  WHERE a.indrelid = d.oid AND h.inhparent = i.indexrelid)
