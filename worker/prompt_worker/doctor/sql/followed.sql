-- Each process that follows the registry without a pooler holds one connection, to hear of changes.
SELECT
    extract(epoch FROM now() - changed_at),
    (SELECT count(*) FROM pg_stat_activity
     WHERE application_name = 'prompt-worker prompts' AND datname = current_database())
FROM prompt_registry
