-- Primary keys and unique constraints of the contract's tables in one schema, with the names of their columns.
SELECT c.relname, k.conname, k.contype, k.condeferrable,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS key (attnum, place)
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = key.attnum ORDER BY key.place)
FROM pg_class c
JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype IN ('p', 'u')
WHERE c.relnamespace = %(schema)s AND c.relname = ANY (%(tables)s)
