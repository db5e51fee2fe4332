"""`/`: what needs somebody, the numbers of the last day, and whether events arrive."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial

import msgspec
from psycopg2.extensions import cursor
from starlette.responses import Response

from prompt_worker.console.access.rights import Right
from prompt_worker.console.rendering.charts import Bar, bars
from prompt_worker.console.rendering.links import link
from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.deadletters.filters import Filter
from prompt_worker.deadletters.summary import summarize
from prompt_worker.experiments.listing import list_experiments
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.prompts.authoring.reading.listing import Listed, list_prompts

# Executions of the last day that are read; of more, the newest.
MOST = 10_000
PARTS = 48
# Of each kind of task.
_TASKS = 5
_DAY = statement(__name__, "last_day")
_ARRIVAL = statement(__name__, "arrival")
_ALARMS = {"harmful": "bad", "invalid": "bad", "srm_failed": "bad", "winner": "good"}


class Day(msgspec.Struct, frozen=True):
    """Of the newest executions of 24 hours. Times and costs are None without the right to read them."""

    executions: int
    success: int
    failure: int
    partial: int
    blocked: int
    first: datetime | None
    last: datetime | None
    p50: float | None
    p95: float | None
    tokens: int | None
    cost: Decimal | None
    totals: list[int]
    failures: list[int]

    @property
    def is_capped(self) -> bool:
        return self.executions >= MOST

    @property
    def bars(self) -> list[Bar]:
        return bars(self.totals, self.failures, width=960, height=96)


class Arrival(msgspec.Struct, frozen=True):
    """The newest execution, and the registry that services follow."""

    newest: datetime | None
    epoch: int
    revision: int
    changed_at: datetime


class Task(msgspec.Struct, frozen=True):
    """Something that waits for a person."""

    kind: str
    word: str
    text: str
    href: str


def overview(visit: Visit) -> Response:
    rights = visit.rights
    return visit.page(
        "pages/overview.html",
        day=visit.block(lambda: visit.database.read(partial(read_day, "measures" in rights)), "executions"),
        arrival=visit.block(lambda: visit.database.read(read_arrival), "prompts"),
        tasks=[visit.block(partial(find, visit), right) for find, right in _FINDERS if right in rights],
        hidden=[rights.why_not(right) for _, right in _FINDERS if right not in rights],
    )


def read_day(measures: bool, cursor: cursor) -> Day:
    """`measures`: also times, tokens and costs."""
    columns = "execution_time_ms, token_count, cost_usd"
    cursor.execute(
        _DAY.replace("{measures}", columns if measures else "NULL::integer, NULL::integer, NULL::numeric"),
        {"most": MOST, "parts": PARTS},
    )
    (row,) = cursor.fetchall()
    return Day(*row)


def read_arrival(cursor: cursor) -> Arrival:
    cursor.execute(_ARRIVAL)
    (row,) = cursor.fetchall()
    return Arrival(*row)


def _dead_letters(visit: Visit) -> list[Task]:
    found = summarize(visit.database.reading, Filter(statuses=("pending",)), limit=_TASKS)
    return [
        Task(
            "bad",
            "dead letters",
            f"{each.number:,} pending: {each.error_class}: {each.reason[:150]}",
            link("/dead-letters", error_class=each.error_class, status="pending"),
        )
        for each in found.groups
    ]


def _experiments(visit: Visit) -> list[Task]:
    return [
        Task(
            _ALARMS[each.verdict],
            each.verdict.replace("_", " "),
            f"experiment {each.name}: {each.verdict_reason}",
            link("/experiment", name=each.name),
        )
        for each in list_experiments(visit.database.reading)
        if each.verdict in _ALARMS
        and each.winner_declared_by is None
        and each.status in ("active", "paused", "completed")
    ][:_TASKS]


def _prompts(visit: Visit) -> list[Task]:
    listed = list_prompts(visit.database.reading)
    blocked = [
        Task("warn", "blocked", f"{each.name} is blocked: {each.blocked}", link("/prompt", name=each.name))
        for each in listed
        if each.blocked is not None
    ]
    waiting = [
        Task(
            "busy",
            "not active",
            f"{each.name}: {_waiting(each)}",
            link("/prompt", name=each.name, version=each.newest),
        )
        for each in listed
        if each.production is None or each.newest > each.production
    ]
    return [*blocked[:_TASKS], *waiting[:_TASKS]]


def _waiting(listed: Listed) -> str:
    if listed.production is None:
        return f"no version is in production, the newest is {listed.newest}"
    return f"version {listed.newest} is newer than {listed.production}, which is in production"


_FINDERS: list[tuple[Callable[[Visit], list[Task]], Right]] = [
    (_dead_letters, "settle"),
    (_experiments, "experiments"),
    (_prompts, "prompts"),
]
ROUTES = [Route("/", overview)]
