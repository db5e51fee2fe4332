-- Corrected dead letters by their key: their messages may come again, and are then not new ones.

CREATE INDEX idx_dead_letter_events_corrected ON dead_letter_events (event_key) WHERE superseded_by IS NOT NULL;
