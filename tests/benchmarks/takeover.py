"""A live database of phase 1 is taken over while its service inserts: how long does one insert wait, and where?"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from prompt_schema.migrate import migrate
from prompt_worker.platform.postgres.engine import connect
from tests.benchmarks.services import Database, Services, session
from tests.benchmarks.stage import Report
from tests.benchmarks.table import Row
from tests.support.live_service import Service
from tests.support.live_shapes import live_database

GOAL = 1.0
PATTERN = 10_000
STEP = 10  # patterns in one statement
LIVE = "bench_live"
LONGEST = 8
# The pattern's rows under new ids, each about as large as a usual event's: phase 1's own text is a few words.
_FILL = """
    INSERT INTO prompt_executions (template_id, template_name, template_version, ab_test_group, user_id, request_id,
        input_variables, rendered_prompt, model_response, execution_time_ms, token_count, cost_usd, status, error_type,
        guardrail_violations, guardrail_action, executed_at, environment)
    SELECT template_id, template_name, template_version, ab_test_group, user_id, gen_random_uuid(), input_variables,
           rendered_prompt || repeat(' and its text', 60), model_response || repeat(' as text', 30), execution_time_ms,
           token_count, cost_usd, status, error_type, guardrail_violations, guardrail_action, executed_at, environment
    FROM (SELECT * FROM prompt_executions LIMIT %s) pattern, generate_series(1, %s)
"""


@dataclass(frozen=True)
class Change:
    """What a change of the schema cost. `waits` are an insert's longest, each with the step under way then."""

    waits: list[tuple[float, str]]
    seconds: float
    inserted: int
    refused: list[str]
    lost: int
    wrong: int

    @property
    def pause(self) -> float:
        return self.waits[0][0]


def measure(services: Services, rows: int, turns: int, report: Report) -> Row:
    report(f"making a live database of {rows:,} rows")
    live(services, rows)
    taken = []
    for turn in range(1, turns + 1):
        report(f"turn {turn} of {turns}: taking over {rows:,} rows")
        with services.copy_of(LIVE) as database:
            taken.append(_take_over(database))
    services.drop(LIVE)
    return row(f"an insert of phase 1's service while {rows:,} rows are taken over: its longest wait", taken)


def row(what: str, changes: Sequence[Change]) -> Row:
    worst = max(changes, key=lambda one: one.pause)
    pauses, seconds = [one.pause for one in changes], [one.seconds for one in changes]
    inserted, lost, wrong = (
        sum(each) for each in zip(*((o.inserted, o.lost, o.wrong) for o in changes), strict=True)
    )
    refused = sum(len(one.refused) for one in changes)
    return Row(
        what,
        f"{min(pauses):.2f}\N{EN DASH}{max(pauses):.2f} s, worst in {worst.waits[0][1].partition(':')[0]}; "
        f"the whole {min(seconds):.0f}\N{EN DASH}{max(seconds):.0f} s; {inserted:,} inserted meanwhile, "
        f"{refused} refused, {lost} rows lost, {wrong} counters wrong",
        f"\N{LESS-THAN OR EQUAL TO} {GOAL:.0f} s, 0 lost, 0 wrong",
        worst.pause <= GOAL and not refused and not lost and not wrong,
        {
            "pause_least": min(pauses),
            "pause_most": max(pauses),
            "seconds": max(seconds),
            "lost": lost,
            "wrong": wrong,
        },
    )


def live(services: Services, rows: int) -> None:
    """The database `LIVE`, as phase 1 leaves it, with so many rows."""
    database = services.new_database(LIVE)
    database.execute(live_database(PATTERN))
    multiply(database, rows)


def multiply(database: Database, rows: int) -> None:
    """Makes so many rows of the `PATTERN` that there are."""
    with session(database.url) as filling, filling.cursor() as cursor:
        # Neither row triggers nor foreign keys: rows that are right, in less time.
        cursor.execute("SET session_replication_role = replica")
        left = rows // PATTERN - 1
        while left > 0:
            cursor.execute(_FILL, (PATTERN, min(STEP, left)))
            left -= STEP
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


def _take_over(database: Database) -> Change:
    """Beside the service."""
    before = database.rows()
    reports: list[tuple[float, str]] = []
    engine = connect(database.url, application_name="bench takeover", statement_timeout_ms=0)
    service = Service(database.url)
    with service.inserting():
        threading.Event().wait(1.0)
        began = monotonic()
        migrate(engine, lambda line: reports.append((monotonic(), line)))
        seconds = monotonic() - began
        threading.Event().wait(1.0)
    engine.dispose()
    lost = before + len(service.waits) - database.rows()
    wrong = len(database.wrong_counters())
    return Change(longest(service, reports), seconds, len(service.waits), service.refused, lost, wrong)


def longest(service: Service, reports: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """The longest waits; a step is reported, with the time, when it is done."""
    return [
        (
            wait,
            next(
                (line for when, line in reports if when >= (started + ended) / 2),
                "what follows the last line",
            ),
        )
        for wait, started, ended in sorted(service.waits, reverse=True)[:LONGEST]
    ]
