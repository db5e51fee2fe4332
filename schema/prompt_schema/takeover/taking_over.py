"""The plan of a takeover, put together, in the order in which its steps must happen."""

from __future__ import annotations

from psycopg2.extensions import cursor

from prompt_schema.catalog import expected
from prompt_schema.takeover.columns import plan_columns
from prompt_schema.takeover.keys import plan_keys
from prompt_schema.takeover.names import TRIGGERS, VIEWS, plan_names
from prompt_schema.takeover.plan import Plan, Step
from prompt_schema.takeover.rows import plan_rows
from prompt_schema.takeover.shape import TABLES, Shape, contract_shape, create_table, query, read_shape
from prompt_schema.takeover.surroundings import check_surroundings, check_tables

PHASE_1 = "enterprise_prompt_system_phase1"


def make_plan(cursor: cursor) -> Plan:
    """For a database where phase 1 alone is recorded. Reads only; what it finds stays true until others change it."""
    plan = Plan()
    check_surroundings(cursor, plan)
    if plan.refusals:
        return plan
    contract = contract_shape(cursor)
    found = read_shape(cursor, "'public'::regnamespace::oid")
    check_tables(found, plan)
    for table in contract:
        if table not in found:
            plan.add(f"the table {table} is missing: made", create_table(table))
    plan_names(cursor, expected(), plan)
    columns = Plan()
    plan_columns(cursor, contract, found, expected(), columns)
    _check_dependents(cursor, found, columns, plan)
    plan.refusals += columns.refusals
    plan.notes += columns.notes
    plan.before += columns.before
    plan.steps += _with_views_aside(cursor, columns.steps)
    rows = Plan(refusals=list(plan.refusals))
    plan_rows(cursor, contract, found, rows)
    plan.refusals = rows.refusals
    plan.steps += _with_triggers_off(cursor, rows.steps)
    if not plan.refusals:
        plan_keys(cursor, contract, found, plan)
    return plan


def _check_dependents(cursor: cursor, found: Shape, columns: Plan, plan: Plan) -> None:
    """The times change their type in 0002, the four views are made again, other columns change in a step."""
    changing = {
        f"{table}.{name}"
        for table, there in found.items()
        for name, column in there.columns.items()
        if column.type.startswith("timestamp") and "without" in column.type
    }
    changing |= {step.why.partition(" ")[0] for step in columns.steps if " TYPE " in step.sql}
    which = {
        "views": list(VIEWS),
        "columns": sorted(changing),
        "triggers": list(TRIGGERS),
        "indexes": list(expected()["index"]),
    }
    cursor.execute(query("dependents"), which)
    for dependent, on in cursor.fetchall():
        plan.refuse(
            f"{dependent} depends on {on}, which has to change: drop it, migrate again, and make it again"
        )


def _with_views_aside(cursor: cursor, steps: list[Step]) -> list[Step]:
    """A column that a view shows cannot change its type: the view steps aside, with what it grants, and comes back."""
    if not any(" TYPE " in step.sql for step in steps):
        return steps
    cursor.execute(query("views"), {"views": list(VIEWS)})
    views = cursor.fetchall()
    aside = [Step(f"the view {name} steps aside", f"DROP VIEW public.{name}") for name, _, _ in views]
    back = [
        Step(f"the view {name} is back", f"CREATE VIEW public.{name} AS {definition}; {grants}")
        for name, definition, grants in views
    ]
    return [*aside, *steps, *back]


def _with_triggers_off(cursor: cursor, steps: list[Step]) -> list[Step]:
    """Phase 1's triggers must not answer to what is corrected here."""
    if not steps:
        return steps
    cursor.execute(query("triggers"), {"tables": list(TABLES)})
    on = [(table, name) for table, name, enabled, _ in cursor.fetchall() if enabled and name in TRIGGERS]
    off = [
        Step(f"{name} is off meanwhile", f"ALTER TABLE public.{table} DISABLE TRIGGER {name}")
        for table, name in on
    ]
    again = [
        Step(f"{name} is on again", f"ALTER TABLE public.{table} ENABLE TRIGGER {name}") for table, name in on
    ]
    return [*off, *steps, *again]
