"""Feedback: how fast its worker drains a backlog."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from statistics import median

from prompt_worker.event.feedback import EVENT_TYPE
from tests.benchmarks.broker import Backlog
from tests.benchmarks.services import Database, Services
from tests.benchmarks.stage import Report
from tests.benchmarks.storing import drain
from tests.benchmarks.table import Row
from tests.support.feedback import feedback_body


def measure(services: Services, database: Database, events: int, report: Report) -> Iterator[Row]:
    report(f"publishing {events:,} feedback events")
    backlog = Backlog(services.emulator.host, ("feedback",))
    backlog.publish((feedback_body() for _ in range(events)), repeat({"ce-type": EVENT_TYPE}))
    report("draining them")
    rates, cpu, half, late = drain(database, backlog, "feedback", "prompt_feedback")
    backlog.delete()
    yield Row(
        f"draining {events:,} feedback events",
        f"{median(rates):,.0f} events/s; {cpu:.0f} µs of the worker's CPU each; "
        f"{half / 1e6:.0f} MB at half, {late / 1e6:.0f} at the end",
        figures={"rate": median(rates), "worker_us": cpu, "half_mb": half / 1e6, "late_mb": late / 1e6},
    )
