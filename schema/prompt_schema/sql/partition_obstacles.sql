-- What migration 0023 cannot make again on a partitioned table, and stops at: what it is, and why. The queries are that
-- migration's own; a table that an earlier migration makes may not be there yet.
WITH RECURSIVE partitioned AS (
    SELECT oid, reltype, relname, relowner, format('%I', relname || '_default') AS default_partition, key
    FROM (VALUES ('prompt_executions', 'id'), ('guardrail_evaluations', 'event_id')) AS tables (name, key)
    JOIN pg_class ON oid = to_regclass('public.' || name)
    WHERE relkind = 'r'
), using_view AS (
    SELECT r.ev_class AS oid
    FROM partitioned p
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = p.oid
        AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> p.oid
    UNION
    SELECT r.ev_class
    FROM using_view u
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = u.oid
        AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> u.oid
), views AS (
    SELECT c.oid::regclass::text AS name, c.relkind,
           EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid)
           OR EXISTS (SELECT FROM pg_attrdef WHERE adrelid = c.oid)
           OR (SELECT count(*) FROM pg_rewrite WHERE ev_class = c.oid) > 1 AS more
    FROM using_view JOIN pg_class c USING (oid)
)
SELECT 'the view ' || name AS what, 'is materialized, or has triggers, rules or defaults' AS why
FROM views WHERE relkind <> 'v' OR more
UNION ALL
SELECT format('the trigger %s on %s', tgname, relname), 'is a constraint trigger, or a row trigger with a '
       'transition table, which partitions cannot have'
FROM partitioned p JOIN pg_trigger t ON tgrelid = p.oid
WHERE NOT tgisinternal AND (tgconstraint <> 0
      OR (tgtype & 1 = 1 AND (tgoldtable IS NOT NULL OR tgnewtable IS NOT NULL)))
UNION ALL
SELECT format('the index %s on %s', i.indexrelid::regclass, relname),
       format('is unique without the column %s, which partitions cannot have', key)
FROM partitioned p JOIN pg_index i ON i.indrelid = p.oid
WHERE (i.indisunique AND NOT EXISTS (
          SELECT FROM pg_attribute WHERE attrelid = p.oid AND attname = key AND attnum = ANY (i.indkey)))
   OR i.indisexclusion
UNION ALL
-- The default partition's are named by as many characters.
SELECT format('the index %s on %s', i.indexrelid::regclass, p.relname),
       format('begins with the same 55 characters as %s', o.relname)
FROM partitioned p JOIN pg_index i ON i.indrelid = p.oid JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_class o ON left(o.relname, 55) = left(c.relname, 55) AND o.relname < c.relname
JOIN pg_index j ON j.indexrelid = o.oid AND j.indrelid IN (SELECT oid FROM partitioned)
UNION ALL
SELECT format('the relation %s', to_regclass('public.' || default_partition)),
       'has the name that the default partition gets'
FROM partitioned WHERE to_regclass('public.' || default_partition) IS NOT NULL
UNION ALL
SELECT format('the rule %s on %s', rulename, relname), 'is not made again'
FROM partitioned p JOIN pg_rewrite r ON r.ev_class = p.oid
UNION ALL
SELECT format('the policy %s on %s', polname, relname), 'is not made again'
FROM partitioned p JOIN pg_policy ON polrelid = p.oid
UNION ALL
SELECT format('the table %s', inhrelid::regclass), format('inherits from %s', relname)
FROM partitioned p JOIN pg_inherits ON inhparent = p.oid
UNION ALL
SELECT format('the subscription %s of %s', subname, relname), 'writes to it'
FROM partitioned p JOIN pg_subscription_rel ON srrelid = p.oid JOIN pg_subscription s ON s.oid = srsubid
UNION ALL
SELECT format('the publication %s of %s', pubname, relname),
       'publishes other partitioned tables by their partitions'
FROM partitioned p JOIN pg_publication_tables t ON t.schemaname = 'public' AND t.tablename = p.relname
JOIN pg_publication b USING (pubname)
WHERE NOT b.pubviaroot AND EXISTS (
    SELECT FROM pg_publication_tables o JOIN pg_namespace n ON n.nspname = o.schemaname
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = o.tablename
    WHERE o.pubname = b.pubname AND c.relispartition)
UNION ALL
-- A function's arguments, a column of the table's type, a function with a parsed body.
SELECT pg_describe_object(d.classid, d.objid, d.objsubid), format('is made of %s', relname)
FROM partitioned p
JOIN pg_depend d ON (d.refclassid = 'pg_class'::regclass AND d.refobjid = p.oid)
    OR (d.refclassid = 'pg_type'::regclass
        AND d.refobjid IN (p.reltype, (SELECT typarray FROM pg_type WHERE oid = p.reltype)))
WHERE d.deptype = 'n'
  AND d.classid NOT IN ('pg_rewrite'::regclass, 'pg_constraint'::regclass, 'pg_trigger'::regclass,
                        'pg_publication_rel'::regclass)
  AND NOT (d.classid = 'pg_type'::regclass AND d.objid = (SELECT typarray FROM pg_type WHERE oid = p.reltype))
