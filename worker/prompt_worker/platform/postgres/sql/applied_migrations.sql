-- The migrations that the database has; another version of prompt-worker may have added more.
SELECT version FROM public.schema_migrations
