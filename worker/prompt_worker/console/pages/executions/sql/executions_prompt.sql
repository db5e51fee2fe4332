WITH newest AS MATERIALIZED (
        SELECT x.*
        FROM prompt_templates t
        CROSS JOIN unnest(%(statuses)s) AS statuses (status)
        CROSS JOIN LATERAL (
            SELECT e.id, e.executed_at, e.template_name, e.template_version, e.status, e.environment, e.service, {columns}
            FROM prompt_executions e
            WHERE e.template_id = t.id AND e.status = statuses.status AND e.executed_at <= %(at)s
              AND (e.executed_at, e.id) < (%(at)s, %(after)s::uuid){conditions}
            ORDER BY e.executed_at DESC, e.id DESC
            LIMIT %(window)s
        ) x
        WHERE t.name = %(prompt)s AND (%(version)s IS NULL OR t.version = %(version)s)
    ), ends AS (
        SELECT DISTINCT ON (template_version, status) executed_at, id,
               count(*) OVER (PARTITION BY template_version, status) AS number
        FROM newest
        ORDER BY template_version, status, executed_at, id
    ), seen AS (
        -- Further back than this not all of them were looked at.
        SELECT executed_at, id FROM ends WHERE number >= %(window)s ORDER BY executed_at DESC, id DESC LIMIT 1
    )
    SELECT n.*
    FROM newest n
    WHERE NOT EXISTS (SELECT FROM seen WHERE (n.executed_at, n.id) < (seen.executed_at, seen.id))
