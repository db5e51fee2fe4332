-- Indexes NAME_old of these tables whose successor NAME is built in every partition: they are not needed any more.
SELECT o.oid::regclass::text AS index, t.oid::regclass::text AS of_table
FROM pg_class t
JOIN pg_index i ON i.indrelid = t.oid
JOIN pg_class o ON o.oid = i.indexrelid AND o.relname LIKE '%\_old'
JOIN pg_class n ON n.relnamespace = o.relnamespace AND n.relname = left(o.relname, -4)
JOIN pg_index v ON v.indexrelid = n.oid AND v.indrelid = t.oid AND v.indisvalid
WHERE t.relnamespace = 'public'::regnamespace AND t.relname = ANY (:tables)
