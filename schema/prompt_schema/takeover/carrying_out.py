"""A takeover on an engine: its plan, what reads all rows, and all of its other steps in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import cast

import psycopg2
from psycopg2.extensions import connection, cursor
from sqlalchemy import Engine

from prompt_schema.applying import execute
from prompt_schema.errors import MigrationError
from prompt_schema.in_use import FIRST_LOCK
from prompt_schema.refusal import explain
from prompt_schema.script import Statement
from prompt_schema.takeover.plan import Plan, carry_out
from prompt_schema.takeover.taking_over import make_plan
from prompt_schema.waiting import BEGINNING, patiently


def plan_takeover(engine: Engine) -> Plan:
    """What `migrate` would do before its first file. Reads only. Raises `MigrationError`."""
    with closing(engine.raw_connection()) as connection:
        return _plan(cast(cursor, connection.cursor()))


def take_over(engine: Engine, report: Callable[[str], None]) -> None:
    """Carries the plan out, a line for each step. Raises `MigrationError`; kept is then what went before alone."""
    with closing(engine.raw_connection()) as pooled:
        opened = cast(connection, pooled.driver_connection)
        with opened.cursor() as reading:
            plan = _plan(reading)
        opened.rollback()
        if plan.refusals:
            raise MigrationError(
                "this database cannot be taken over yet; nothing was changed:\n- "
                + "\n- ".join(plan.refusals)
            )
        for step in plan.before:
            execute(opened, Statement(step.sql, step.why), f"the takeover, {step.why}", report)
        sql = ";".join(step.sql for step in plan.steps)

        def transaction(own: cursor) -> None:
            if plan.steps:
                own.execute(FIRST_LOCK)
            carry_out(own, plan)

        patiently(opened, "the takeover", sql, transaction, report)
    for line in plan.lines():
        report(f"takeover, {line}")


def _plan(opened: cursor) -> Plan:
    try:
        opened.execute(BEGINNING)
        return make_plan(opened)
    except psycopg2.Error as error:
        raise MigrationError(explain("the takeover's plan", error)) from error
