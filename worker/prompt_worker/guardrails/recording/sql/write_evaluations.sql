-- One batch of evaluations, columns in the order of worker/prompt_worker/guardrails/recording/store.py. Any duplicate fails the whole batch.
COPY guardrail_evaluations (event_id, guardrail_ids, outcome, detector_version, evaluation_ms) FROM STDIN
