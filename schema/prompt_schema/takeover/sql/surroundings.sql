-- What this login may do, and what kind of database this is.
SELECT getdatabaseencoding(),
       pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean,
       has_schema_privilege('public', 'CREATE'),
       has_database_privilege(current_database(), 'TEMPORARY'),
       (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user),
       ARRAY(SELECT role FROM unnest(%(roles)s::text[]) role
             WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role))
