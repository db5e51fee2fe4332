-- When the newest execution was, and which registry services follow.
SELECT (SELECT e.executed_at FROM prompt_executions e WHERE e.executed_at <= now() ORDER BY e.executed_at DESC LIMIT 1),
       r.epoch, r.revision, r.changed_at
FROM prompt_registry r
