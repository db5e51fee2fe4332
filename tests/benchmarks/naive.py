"""The worker against the consumer most teams write, each on its own backlog and database."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.broker import Backlog
from tests.benchmarks.drain import Drain, watch
from tests.benchmarks.events import bodies
from tests.benchmarks.services import Database, Services
from tests.benchmarks.table import Row, times
from tests.benchmarks.worker_process import ChildProcess

TRIGGERS = Path(__file__).with_name("naive_triggers.sql")


def drain_naively(services: Services, database: Database, events: int) -> Drain:
    """`database` becomes one with triggers for each row."""
    database.execute(TRIGGERS.read_text())
    backlog = Backlog(services.emulator.host)
    backlog.publish(bodies(events, database.templates()))
    environment = {"DATABASE_URL": database.url, "SUBSCRIPTION": backlog.subscription}
    child = ChildProcess(["tests.benchmarks.naive_consumer"], environment)
    drained = watch(services, database, backlog, [child], exact_statistics=False)
    child.forget()
    backlog.delete()
    return drained


def row(worker_rate: float, broker_rate: float, naive: Drain, *, equal_backlogs: bool) -> Row:
    goal = 25 if equal_backlogs else 15
    ratio = worker_rate / naive.rate
    return Row(
        f"the drain against the usual consumer (callback, a commit a message, row triggers; {naive.events:,} events"
        f"{', as many as the worker' if equal_backlogs else ''})",
        f"{times(ratio)} ({naive.rate:,.0f} events/s); a consumer that does nothing: {times(broker_rate / naive.rate)}",
        f"≥ {times(goal, 0)}",
        ratio >= goal,
        {"ratio": ratio, "rate": naive.rate, "most": broker_rate / naive.rate},
    )
