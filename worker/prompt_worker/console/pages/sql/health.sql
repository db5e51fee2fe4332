SELECT current_setting('server_version'), pg_is_in_recovery(), pg_size_pretty(pg_database_size(current_database())),
       (SELECT e.executed_at FROM prompt_executions e WHERE e.executed_at <= now() ORDER BY e.executed_at DESC LIMIT 1),
       r.epoch, r.revision, r.changed_at,
       (SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'prompt-worker prompts' AND datname = current_database()),
       (SELECT array_agg(version::text) FROM schema_migrations)
FROM prompt_registry r
