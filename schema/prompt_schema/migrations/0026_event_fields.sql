-- Keeps the number for a migration of another clone: take that one when it is merged.
SELECT;
