-- Routines that have the name of one that the migrations make, and what uses them besides the contract's own triggers.
SELECT p.oid::regprocedure::text, p.proname,
       EXISTS (SELECT FROM pg_depend d LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
               WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid
                 AND (t.oid IS NULL OR t.tgname <> ALL (%(triggers)s))) AS used_by_others,
       EXISTS (SELECT FROM pg_trigger t WHERE t.tgfoid = p.oid AND t.tgname = ANY (%(triggers)s)) AS goes_with_trigger
FROM pg_proc p
WHERE p.pronamespace = 'public'::regnamespace AND p.proname = ANY (%(names)s)
ORDER BY 1
