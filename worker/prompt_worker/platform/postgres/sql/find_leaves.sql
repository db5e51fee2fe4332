-- The months of a table that this login may write to: name, lowest id, first id beyond, both as hexadecimal numbers.
SELECT format('%%I.%%I', n.nspname, c.relname), replace(b.bounds[1], '-', ''), replace(b.bounds[2], '-', '')
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL regexp_matches(
    pg_get_expr(c.relpartbound, c.oid), $q$FROM \('([-0-9a-f]+)'\) TO \('([-0-9a-f]+)'\)$q$) AS b (bounds)
WHERE i.inhparent = to_regclass(%(table)s) AND c.relkind = 'r' AND has_table_privilege(c.oid, 'INSERT')
ORDER BY 2
