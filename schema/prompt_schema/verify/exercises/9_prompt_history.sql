-- history of prompts, its chain
DO $$
DECLARE
    wrong text;
BEGIN
    SELECT string_agg(fault, ', ' ORDER BY id) INTO wrong
    FROM (
        SELECT (entry).id, CASE
                   WHEN (entry).sha256 <> prompt_history_sha256(entry) THEN format('row %s was changed', (entry).id)
                   ELSE format('row %s does not follow the one before it', (entry).id) END AS fault
        FROM (SELECT h AS entry, lag(h.sha256) OVER (ORDER BY h.id) AS sha256_before FROM prompt_history h) chained
        WHERE (entry).sha256 <> prompt_history_sha256(entry)
           OR sha256_before IS DISTINCT FROM (entry).previous_sha256
        UNION ALL
        SELECT 9223372036854775807, 'the last row is gone'
        FROM prompt_registry r
        WHERE r.history_sha256 IS DISTINCT FROM (SELECT sha256 FROM prompt_history ORDER BY id DESC LIMIT 1)
        ORDER BY id
        LIMIT 5
    ) faults;
    ASSERT wrong IS NULL, 'somebody changed the history of prompts past its triggers: ' || wrong
        || '; compare it with a backup';
END $$;
