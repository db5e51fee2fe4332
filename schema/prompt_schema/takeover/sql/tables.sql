-- The contract's tables that are in one schema, and what would keep this login from changing them.
SELECT c.relname, c.relkind, pg_has_role(c.relowner, 'USAGE') AS owned, c.relowner::regrole::text, c.relrowsecurity
FROM pg_class c
WHERE c.relnamespace = %(schema)s AND c.relname = ANY (%(tables)s) AND c.relkind NOT IN ('i', 'I')
