-- The login, and whether it has the rights of a role, which may not exist.
SELECT current_user::text, coalesce((SELECT pg_has_role(oid, 'USAGE') FROM pg_roles WHERE rolname = %(role)s), false)
