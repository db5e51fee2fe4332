"""Primary keys and unique constraints: missing ones are made, where the rows allow it."""

from __future__ import annotations

from psycopg2.extensions import cursor

from prompt_schema.takeover.plan import MOMENT, SCAN, WRITTEN, Plan
from prompt_schema.takeover.shape import Key, Shape, Table


def plan_keys(cursor: cursor, contract: Shape, found: Shape, plan: Plan) -> None:
    for table, wanted in contract.items():
        there = found.get(table)
        if there is None or there.relkind != "r":
            continue
        for key in wanted.keys:
            if set(key.columns) <= there.columns.keys():
                _bring(cursor, table, key, there, plan)


def _bring(cursor: cursor, table: str, key: Key, there: Table, plan: Plan) -> None:
    columns = ", ".join(key.columns)
    same = there.key(key.kind, key.columns)
    if same and not same.deferrable:
        return
    kind = "PRIMARY KEY" if key.kind == "p" else "UNIQUE"
    other = next((one for one in there.keys if one.kind == "p"), None) if key.kind == "p" else same
    if other:
        plan.refuse(
            f"{table} has {other.name}, which is not {kind} ({columns}): "
            f"ALTER TABLE {table} DROP CONSTRAINT {other.name}, and migrate again"
        )
        return
    if key.columns != ("name", "version") and not _unique(cursor, table, key, plan):
        return
    if table == WRITTEN:
        index = f"{table}_takeover_{'pkey' if key.kind == 'p' else 'key'}"
        plan.add_before(
            f"{table} lacks {kind} ({columns}): its index",
            f"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS {index} ON public.{table} ({columns})",
        )
        plan.add(
            f"{table} lacks {kind} ({columns}): added, with that index",
            f"ALTER TABLE public.{table} ADD {kind} USING INDEX {index}",
            lock=f"{table} {MOMENT}",
        )
        return
    plan.add(
        f"{table} lacks {kind} ({columns}): added",
        f"ALTER TABLE public.{table} ADD {kind} ({columns})",
        lock=f"{table} {SCAN}",
    )


def _unique(cursor: cursor, table: str, key: Key, plan: Plan) -> bool:
    columns = ", ".join(key.columns)
    cursor.execute(
        f"SELECT {columns} FROM public.{table} GROUP BY {columns} HAVING count(*) > 1 ORDER BY 1 LIMIT 3"  # noqa: S608
    )
    twice = [" ".join(map(str, row)) for row in cursor.fetchall()]
    if twice:
        plan.refuse(
            f"{table} has several rows with the same {columns} ({'; '.join(twice)}): "
            "rename or delete all but one, and migrate again"
        )
    return not twice
