-- The contract's views as they are, with the statements that grant what they granted.
SELECT c.relname, pg_get_viewdef(c.oid),
       coalesce((SELECT string_agg(format('GRANT %%s ON public.%%I TO %%s', a.privilege_type, c.relname,
                                          CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END), '; ')
                 FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner), '')
FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'v' AND c.relname = ANY (%(views)s)
