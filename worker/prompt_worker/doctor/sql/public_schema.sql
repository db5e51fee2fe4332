-- Whether everybody may create in schema public, and who owns it, who alone may end that.
SELECT has_schema_privilege('public', oid, 'CREATE'), nspowner::regrole::text
FROM pg_namespace
WHERE nspname = 'public'
