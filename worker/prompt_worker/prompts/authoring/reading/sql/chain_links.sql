-- Rows that do not follow the one before them, and whether the last one is the newest that the registry knows.
SELECT count(*), coalesce(array_agg(id ORDER BY id) FILTER (WHERE previous_sha256 IS DISTINCT FROM should_be), '{}'),
       (SELECT r.history_sha256 FROM prompt_registry r)
           IS NOT DISTINCT FROM (SELECT n.sha256 FROM prompt_history n ORDER BY n.id DESC LIMIT 1)
FROM (SELECT id, previous_sha256, lag(sha256) OVER (ORDER BY id) AS should_be FROM prompt_history) links
