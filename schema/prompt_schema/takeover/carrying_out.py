"""A takeover on an engine: its plan, and all of its steps in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import cast

import psycopg2
from psycopg2.extensions import cursor
from sqlalchemy import Engine

from prompt_schema.errors import MigrationError
from prompt_schema.refusal import PATIENCE, explain
from prompt_schema.takeover.plan import Plan, carry_out
from prompt_schema.takeover.taking_over import make_plan


def plan_takeover(engine: Engine) -> Plan:
    """What `migrate` would do before its first file. Reads only. Raises `MigrationError`."""
    with closing(engine.raw_connection()) as connection:
        return _plan(cast(cursor, connection.cursor()))


def take_over(engine: Engine, report: Callable[[str], None]) -> None:
    """Carries the plan out, a line for each step. Raises `MigrationError`, and then nothing was changed."""
    with closing(engine.raw_connection()) as connection:
        opened = cast(cursor, connection.cursor())
        plan = _plan(opened)
        if plan.refusals:
            raise MigrationError(
                "this database cannot be taken over yet; nothing was changed:\n- "
                + "\n- ".join(plan.refusals)
            )
        try:
            carry_out(opened, plan)
            connection.commit()
        except psycopg2.Error as error:
            raise MigrationError(explain("the takeover", error)) from error
    for line in plan.lines():
        report(f"takeover, {line}")


def _plan(opened: cursor) -> Plan:
    try:
        opened.execute(PATIENCE)
        return make_plan(opened)
    except psycopg2.Error as error:
        raise MigrationError(explain("the takeover's plan", error)) from error
