"""What a takeover will do, said before anything is changed: its steps, what it leaves alone, and what stops it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg2.extensions import cursor

MOMENT = "for a moment"
REWRITE = "while the table is rewritten"
SCAN = "while its rows are read once"
# The table that services insert into, and that has many rows.
WRITTEN = "prompt_executions"


@dataclass(frozen=True)
class Step:
    """One change. `why` says what differs; `lock` names the table that others cannot use, and for how long."""

    why: str
    sql: str
    lock: str = ""
    parameters: Mapping[str, Any] | None = None


@dataclass
class Plan:
    """`refusals` stop the takeover before its first step, each with what to do; `notes` are kept as they are.

    `before` is what reads all rows of a table that is written to: outside of the transaction of the other steps.
    """

    before: list[Step] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, why: str, sql: str, *, lock: str = "", parameters: Mapping[str, Any] | None = None) -> None:
        self.steps.append(Step(why, sql, lock, parameters))

    def add_before(self, why: str, sql: str, *, lock: str = "") -> None:
        """Idempotent: a takeover that was interrupted does it again."""
        self.before.append(Step(why, sql, lock))

    def refuse(self, what: str) -> None:
        self.refusals.append(what)

    def lines(self) -> Iterable[str]:
        """For people, a line each."""
        for refusal in self.refusals:
            yield f"stops: {refusal}"
        for step in self.before:
            yield f"before: {step.why} ({f'locks {step.lock}' if step.lock else 'no writer waits'})"
        for step in self.steps:
            yield f"change: {step.why}" + (f" (locks {step.lock})" if step.lock else "")
        for note in self.notes:
            yield f"note: {note}"


def carry_out(cursor: cursor, plan: Plan) -> None:
    """Every step, in the transaction of `cursor`."""
    for step in plan.steps:
        cursor.execute(step.sql, step.parameters)
