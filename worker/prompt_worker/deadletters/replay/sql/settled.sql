-- What became of the events of a replay. One that another replay has sent since counts there.
SELECT 'failed', error_class || ': ' || min(reason), count(*)
FROM dead_letter_events
WHERE last_replay_id = %(replay)s AND status IN ('pending', 'discarded')
GROUP BY error_class, cause
UNION ALL
SELECT CASE status WHEN 'resolved' THEN 'resolved' ELSE 'waiting' END, NULL, count(*)
FROM dead_letter_events
WHERE last_replay_id = %(replay)s AND status IN ('resolved', 'replayed')
GROUP BY status
