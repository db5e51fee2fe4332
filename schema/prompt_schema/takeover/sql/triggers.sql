-- The triggers on the contract's tables, whether they are enabled, and whether their function writes counters.
SELECT c.relname, t.tgname, t.tgenabled <> 'D',
       p.prosrc ~* '\m(total_executions|success_count|failure_count|control_executions|variant_executions)\M'
FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_proc p ON p.oid = t.tgfoid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%(tables)s) AND NOT t.tgisinternal
ORDER BY 1, 2
