-- The columns of the contract's tables in one schema, in their order.
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       pg_get_expr(d.adbin, d.adrelid), a.attgenerated <> '' OR a.attidentity <> '' AS computed
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = %(schema)s AND c.relname = ANY (%(tables)s) AND c.relkind IN ('r', 'p')
ORDER BY c.relname, a.attnum
