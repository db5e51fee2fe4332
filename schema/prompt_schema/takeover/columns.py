"""Columns: missing, of another type, with another default, without their NOT NULL, or more than the contract has."""

from __future__ import annotations

import re
from dataclasses import dataclass

from psycopg2.extensions import cursor

from prompt_schema.catalog import Catalog
from prompt_schema.takeover.plan import MOMENT, REWRITE, SCAN, WRITTEN, Plan
from prompt_schema.takeover.shape import Column, Shape

# 0002 and 0003 set the defaults of times and ids themselves, whatever they are.
_SET_LATER = ("now()", "gen_random_uuid()")
_NAMED = 3  # rows that a refusal names
_INTEGERS = {"smallint", "integer", "bigint"}
_LOWEST, _HIGHEST = -(2**31), 2**31 - 1
_NUMBERS = {*_INTEGERS, "numeric", "real", "double precision"}


def plan_columns(cursor: cursor, contract: Shape, found: Shape, catalog: Catalog, plan: Plan) -> None:
    """`catalog` is what the database will hold once it is migrated."""
    for table, wanted in contract.items():
        if table not in found or found[table].relkind != "r":
            continue
        there = found[table].columns
        for name, column in wanted.columns.items():
            one = _Column(cursor, plan, table, name, column)
            if name in there:
                one.bring(there[name])
            else:
                one.add()
        others = there.keys() - wanted.columns.keys()
        to_come = {name: _optional(catalog, table, name) for name in others}
        for name, type_ in to_come.items():
            if type_:
                # Migrations keep a column that is there; its default is its owner's.
                _Column(cursor, plan, table, name, Column(type_, False, there[name].default)).bring(
                    there[name]
                )
        _check_others(table, {name: there[name] for name, type_ in to_come.items() if not type_}, plan)


def _optional(catalog: Catalog, table: str, name: str) -> str | None:
    """The type of a column that a migration to come adds, and that rows may lack."""
    definition = catalog["column"].get(f"{table}.{name}", "not null")
    return None if "not null" in definition or " default " in definition else definition


@dataclass(frozen=True)
class _Column:
    """One of the contract's columns, and the plan that brings a database to it."""

    cursor: cursor
    plan: Plan
    table: str
    name: str
    wanted: Column

    def add(self) -> None:
        table, name, wanted = self.table, self.name, self.wanted
        if wanted.required and not wanted.default and self._rows("true"):
            self.plan.refuse(
                f"{table} lacks the column {name}, and its rows need a value for it: "
                f"ALTER TABLE {table} ADD {name} {wanted.type}, fill it, and migrate again"
            )
            return
        default = f" DEFAULT {wanted.default}" if wanted.default else ""
        required = " NOT NULL" if wanted.required else ""
        self.plan.add(
            f"{table}.{name} is missing: added",
            f"ALTER TABLE public.{table} ADD COLUMN {name} {wanted.type}{default}{required}",
            lock=f"{table} {MOMENT}",
        )

    def bring(self, found: Column) -> None:
        table, name, wanted = self.table, self.name, self.wanted
        if found.computed:
            self.plan.refuse(
                f"{table}.{name} is computed by the database, and prompt-worker writes it: "
                f"ALTER TABLE {table} ALTER {name} DROP EXPRESSION (or DROP IDENTITY), and migrate again"
            )
            return
        if not _same_type(wanted.type, found.type) and not self._change_type(found):
            return
        if wanted.default != found.default and wanted.default not in _SET_LATER:
            change = f"SET DEFAULT {wanted.default}" if wanted.default else "DROP DEFAULT"
            self._alter(
                f"the default of {table}.{name} is {found.default or 'missing'}: made {wanted.default or 'none'}",
                change,
            )
        if wanted.required and not found.required:
            self._require()
        elif found.required and not wanted.required:
            self._alter(
                f"{table}.{name} is NOT NULL, and an event may lack it: made optional", "DROP NOT NULL"
            )

    def _alter(self, why: str, change: str, duration: str = MOMENT) -> None:
        sql = f"ALTER TABLE public.{self.table} ALTER COLUMN {self.name} {change}"
        self.plan.add(why, sql, lock=f"{self.table} {duration}")

    def _rows(self, condition: str) -> list[str]:
        """The ids of some rows for which it holds."""
        self.cursor.execute(f"SELECT ctid::text FROM public.{self.table} WHERE {condition} LIMIT 1")  # noqa: S608
        if not self.cursor.fetchall():
            return []
        key = "id::text" if self.name != "id" else "ctid::text"
        self.cursor.execute(
            f"SELECT {key} FROM public.{self.table} WHERE {condition} LIMIT {_NAMED}"  # noqa: S608
        )
        return [str(row[0]) for row in self.cursor.fetchall()]

    def _change_type(self, found: Column) -> bool:
        table, name, wanted = self.table, self.name, self.wanted.type
        fits = _fits(name, wanted, found.type)
        if fits is None:
            self.plan.refuse(
                f"{table}.{name} is {found.type}, expected {wanted}: "
                f"ALTER TABLE {table} ALTER {name} TYPE {wanted} USING …, and migrate again"
            )
            return False
        if rows := self._rows(f"NOT ({fits})"):
            self.plan.refuse(
                f"{table}.{name} is {found.type}, expected {wanted}, and rows hold values that do not fit "
                f"({', '.join(rows)}): shorten or correct them, and migrate again"
            )
            return False
        drop = f"ALTER COLUMN {name} DROP DEFAULT, " if found.default else ""
        default = f", ALTER COLUMN {name} SET DEFAULT {found.default}" if found.default else ""
        self.plan.add(
            f"{table}.{name} is {found.type}: made {wanted}",
            f"ALTER TABLE public.{table} {drop}ALTER COLUMN {name} TYPE {wanted} USING {name}::{wanted}{default}",
            lock=f"{table} {REWRITE}",
        )
        return True

    def _require(self) -> None:
        table, name, wanted = self.table, self.name, self.wanted
        if rows := self._rows(f"{name} IS NULL"):
            if not wanted.default:
                self.plan.refuse(
                    f"{table}.{name} is empty in rows ({', '.join(rows)}), and it must not be: "
                    "fill it or delete them, and migrate again"
                )
                return
            self.plan.add(
                f"{table}.{name} is empty in some rows: filled with {wanted.default}",
                f"UPDATE public.{table} SET {name} = {wanted.default} WHERE {name} IS NULL",  # noqa: S608
                lock=f"those rows of {table}",
            )
        elif table == WRITTEN:
            self._require_beside_writers()
            return
        self._alter(f"{table}.{name} lacks NOT NULL: set", "SET NOT NULL", SCAN)

    def _require_beside_writers(self) -> None:
        """A check that is validated proves it, so that NOT NULL needs to read nothing."""
        table, name = self.table, self.name
        alter, check = f"ALTER TABLE public.{table}", f"{table[:20]}_{name[:20]}_is_not_null"
        self.plan.add_before(
            f"{table}.{name} lacks NOT NULL: a check, for new rows",
            f"{alter} DROP CONSTRAINT IF EXISTS {check}, ADD CONSTRAINT {check} CHECK ({name} IS NOT NULL) NOT VALID",
            lock=f"{table} {MOMENT}",
        )
        self.plan.add_before(
            f"the check holds for old rows of {table}", f"{alter} VALIDATE CONSTRAINT {check}"
        )
        self.plan.add(
            f"{table}.{name} lacks NOT NULL: set, the check proves it",
            f"{alter} ALTER COLUMN {name} SET NOT NULL; {alter} DROP CONSTRAINT {check}",
            lock=f"{table} {MOMENT}",
        )


def _same_type(wanted: str, found: str) -> bool:
    # A time with a zone is what 0002 makes of one without.
    return found == wanted or (
        wanted.startswith("timestamp") and found.startswith("timestamp with time zone")
    )


def _fits(name: str, wanted: str, found: str) -> str | None:
    """A condition that holds for a value which can be converted without loss; None where no rule is known."""
    length = re.fullmatch(r"character varying\((\d+)\)", wanted)
    plain = re.sub(r"\(.*\)", "", found)
    rules = [
        (
            length and re.match(r"text|character", found),
            f"coalesce(length({name}), 0) <= {length and length[1]}",
        ),
        (wanted == "integer" and plain in _INTEGERS, f"coalesce({name}, 0) BETWEEN {_LOWEST} AND {_HIGHEST}"),
        (
            wanted == "integer" and plain in _NUMBERS,
            f"coalesce({name}, 0) BETWEEN {_LOWEST} AND {_HIGHEST} AND {name} = trunc({name}::numeric)",
        ),
        (wanted == "bigint" and plain in _INTEGERS, "true"),
        (wanted == "numeric(10,6)" and plain in _NUMBERS, f"abs(coalesce({name}, 0)) < 10000"),
        (wanted == "double precision" and plain in _NUMBERS, "true"),
        (wanted == "text" and re.match(r"text|character", found), "true"),
        (wanted == "jsonb" and found == "json", "true"),
        (wanted.startswith("timestamp") and found == "date", "true"),
        (wanted.endswith("[]") and re.match(r"(text|character).*\[\]$", found), "true"),
    ]
    return next((condition for applies, condition in rules if applies), None)


def _check_others(table: str, others: dict[str, Column], plan: Plan) -> None:
    for name, column in others.items():
        if column.required and column.default is None and not column.computed:
            plan.refuse(
                f"{table} has a column {name} of its own that every row needs, and prompt-worker does not know it: "
                f"ALTER TABLE {table} ALTER {name} SET DEFAULT …, and migrate again"
            )
        else:
            plan.notes.append(f"{table}.{name} is not in the contract: kept as it is")
