-- What other programs built on columns whose type changes, or on the views that are made again.
SELECT DISTINCT coalesce(CASE WHEN v.oid IS NOT NULL THEN pg_describe_object('pg_class'::regclass, v.oid, 0) END,
                       pg_describe_object(d.classid, d.objid, 0)),
       c.relname || coalesce('.' || a.attname, '')
FROM pg_depend d
JOIN pg_class c ON c.oid = d.refobjid AND d.refclassid = 'pg_class'::regclass
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid AND d.refobjsubid > 0
LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
LEFT JOIN pg_class v ON v.oid = r.ev_class
LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
LEFT JOIN pg_index i ON d.classid = 'pg_class'::regclass AND i.indexrelid = d.objid
LEFT JOIN pg_class x ON x.oid = i.indexrelid
WHERE c.relnamespace = 'public'::regnamespace
  AND (c.relname = ANY (%(views)s)
       OR c.relname || '.' || a.attname = ANY (%(columns)s))
  AND CASE d.classid
      WHEN 'pg_rewrite'::regclass THEN v.relname <> ALL (%(views)s) AND r.ev_class <> c.oid
      WHEN 'pg_trigger'::regclass THEN t.tgname <> ALL (%(triggers)s)
      WHEN 'pg_policy'::regclass THEN true
      WHEN 'pg_publication_rel'::regclass THEN true
      WHEN 'pg_proc'::regclass THEN true
      -- A function of a time without zone is immutable, of one with a zone it is not: such an index cannot stay.
      WHEN 'pg_class'::regclass THEN
          (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) AND x.relname <> ALL (%(indexes)s)
          AND format_type(a.atttypid, a.atttypmod) LIKE 'timestamp%%without%%'
      ELSE false
  END
ORDER BY 1
