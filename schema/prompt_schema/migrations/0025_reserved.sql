-- Keeps the number for a migration of another clone: delete this file when that one is merged.
SELECT;
