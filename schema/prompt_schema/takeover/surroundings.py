"""The database and the login of a takeover: whatever would stop one of the migrations half-way, found first."""

from __future__ import annotations

from psycopg2.extensions import cursor

from prompt_schema.takeover.plan import Plan
from prompt_schema.takeover.shape import Shape, query

ROLES = (
    "prompt_reader", "prompt_execution_worker", "prompt_guardrail_worker", "prompt_operator",
    "prompt_dead_letter_worker", "prompt_viewer", "prompt_editor", "prompt_approver", "prompt_text_reader",
    "prompt_identity_provider", "prompt_experiment_worker", "prompt_case_editor",
)  # fmt: skip
_KINDS = {"p": "a partitioned table", "v": "a view", "m": "a materialized view", "f": "a foreign table"}


def check_surroundings(cursor: cursor, plan: Plan) -> None:
    cursor.execute(query("surroundings"), {"roles": list(ROLES)})
    ((encoding, read_only, creates, temporary, makes_roles, missing_roles),) = cursor.fetchall()
    if encoding != "UTF8":
        plan.refuse(
            f"the database's encoding is {encoding}, which cannot hold every prompt: "
            "make a new database with ENCODING 'UTF8', and restore a dump of this one into it"
        )
    if read_only:
        plan.refuse("the database is read-only, or a standby: migrate on the primary")
    if not creates:
        plan.refuse("this login may not create in schema public: GRANT CREATE ON SCHEMA public TO it")
    if not temporary:
        plan.refuse("this login may make no temporary tables: GRANT TEMPORARY ON DATABASE … TO it")
    if missing_roles and not makes_roles:
        commands = "; ".join(f"CREATE ROLE {role} NOLOGIN" for role in missing_roles)
        plan.refuse(
            f"roles are missing, and this login may not make them: as an administrator run {commands}"
        )


def check_tables(found: Shape, plan: Plan) -> None:
    for name, table in found.items():
        if table.relkind != "r":
            kind = _KINDS.get(table.relkind, "no ordinary table")
            plan.refuse(f"{name} is {kind}: prompt-worker takes over ordinary tables only")
        elif not table.owned:
            plan.refuse(
                f"{name} belongs to {table.owner}: migrate as {table.owner}, or as a member of that role"
            )
        if table.row_security:
            plan.refuse(
                f"{name} has row-level security, which would hide rows from workers and recounts: "
                f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY, and drop its policies"
            )
