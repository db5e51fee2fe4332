-- A row if this index is the primary key of the table or of one of its partitions.
SELECT FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE i.indisprimary AND c.relname = %(name)s AND n.nspname = %(schema)s
  AND (i.indrelid = to_regclass(%(table)s)
       OR i.indrelid IN (SELECT relid FROM pg_partition_tree(to_regclass(%(table)s))))
