-- One batch of feedback, columns in the order of worker/prompt_worker/feedback/rows.py. Any duplicate fails the whole batch.
COPY prompt_feedback (event_id, request_id, name, source, value, at) FROM STDIN (FORMAT binary)
