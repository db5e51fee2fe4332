"""Names that the migrations give to something of their own: what already has one steps aside, or stops the takeover."""

from __future__ import annotations

from collections.abc import Collection

from psycopg2.extensions import cursor

from prompt_schema.catalog import Catalog
from prompt_schema.takeover.plan import MOMENT, Plan
from prompt_schema.takeover.shape import TABLES, query

VIEWS = (
    "v_template_performance",
    "v_recent_execution_errors",
    "v_guardrail_violations_summary",
    "v_active_ab_tests",
)
# Those of phase 1, which 0002 drops with their functions.
TRIGGERS = (
    "trigger_update_template_statistics",
    "trigger_update_ab_test_statistics",
    "trigger_enforce_single_active_template",
)
# Migration 0004 keeps those that are right, and builds the others beside writers.
_BUILT_BESIDE_WRITERS = (
    "idx_prompt_executions_template",
    "idx_prompt_executions_user",
    "idx_prompt_executions_request",
    "idx_prompt_executions_errors",
    "idx_prompt_executions_guardrails",
    "idx_prompt_executions_ab_test",
)
_OLD_TABLES = {*TABLES, "schema_migrations", "prompt_template_names"}


def plan_names(cursor: cursor, catalog: Catalog, plan: Plan) -> None:
    """`catalog` is what the database will hold once it is migrated."""
    tables = {name.partition(".")[0] for name in catalog["column"]} - _OLD_TABLES
    indexes = set(catalog["index"])
    _relations(cursor, tables | set(catalog["view"]), indexes, plan)
    _others_of_times(cursor, indexes, plan)
    _routines(cursor, {name.partition("(")[0] for name in catalog["function"]}, plan)
    _triggers(cursor, set(catalog["trigger"]), plan)


def _relations(cursor: cursor, own: Collection[str], indexes: Collection[str], plan: Plan) -> None:
    cursor.execute(query("relations"), {"names": [*own, *indexes]})
    for name, relkind, table, constraint, of_times in cursor.fetchall():
        rename = f"ALTER TABLE public.{name} RENAME TO …"
        if name in VIEWS and relkind == "v":
            continue
        if name in own:
            plan.refuse(
                f"{name} is there already and is none of prompt-worker's: {rename}, and migrate again"
            )
        elif table not in TABLES:
            plan.refuse(f"{name} is the name of an index to come, and something else has it: {rename}")
        elif constraint:
            plan.add(
                f"the constraint {constraint} of {table} has the name of an index to come: renamed",
                f"ALTER TABLE public.{table} RENAME CONSTRAINT {constraint} TO {constraint[:58]}_key",
                lock=f"{table} {MOMENT}",
            )
        elif table != "prompt_executions" or name not in _BUILT_BESIDE_WRITERS or of_times:
            plan.add(
                f"the index {name} is made again by the migrations",
                f"DROP INDEX public.{name}",
                lock=f"{table} {MOMENT}",
            )


def _others_of_times(cursor: cursor, ours: Collection[str], plan: Plan) -> None:
    """A time that gets its zone keeps its bytes, but an index over it is built again, under the lock of the change."""
    cursor.execute(query("indexes_of_times"), {"ours": list(ours)})
    for name, definition in cursor.fetchall():
        plan.notes.append(
            f"the index {name} holds executed_at: 0002 builds it again, and prompt_executions is locked until that is "
            f"done. To avoid this drop it now, and create it CONCURRENTLY afterwards: {definition}"
        )


def _routines(cursor: cursor, names: Collection[str], plan: Plan) -> None:
    cursor.execute(query("routines"), {"names": list(names), "triggers": list(TRIGGERS)})
    for signature, name, used_by_others, goes_with_trigger in cursor.fetchall():
        if used_by_others:
            plan.add(
                f"{signature} has the name of a function to come, and others use it: renamed {name}_before_takeover",
                f"ALTER ROUTINE {signature} RENAME TO {name[:46]}_before_takeover",
            )
        elif not goes_with_trigger:  # else 0002 drops both
            plan.add(
                f"{signature} has the name of a function to come, and nothing uses it: dropped",
                f"DROP ROUTINE {signature}",
            )


def _triggers(cursor: cursor, later: Collection[str], plan: Plan) -> None:
    cursor.execute(query("triggers"), {"tables": list(TABLES)})
    for table, name, enabled, counts in cursor.fetchall():
        if name in TRIGGERS and table in TABLES[:2]:
            continue
        if counts and enabled:
            plan.refuse(
                f"the trigger {name} on {table} writes counters, which would then count twice: "
                f"DROP TRIGGER {name} ON {table}, and migrate again"
            )
        elif name in later:
            plan.add(
                f"the trigger {name} on {table} has the name of one to come: renamed",
                f"ALTER TRIGGER {name} ON public.{table} RENAME TO {name[:46]}_before_takeover",
                lock=f"{table} {MOMENT}",
            )
        else:
            plan.notes.append(f"the trigger {name} on {table} is not in the contract: kept as it is")
