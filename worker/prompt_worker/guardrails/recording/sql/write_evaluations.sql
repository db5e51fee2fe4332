-- One batch of evaluations, columns in the order of worker/prompt_worker/guardrails/recording/store.py. Any duplicate fails
-- the whole batch. As a batch it leaves deltas of the statistics, which are folded every second.
SET LOCAL prompt_worker.batch = on;
COPY guardrail_evaluations (event_id, guardrail_ids, outcome, detector_version, evaluation_ms) FROM STDIN
