"""A backlog so short that the emulator hands it out faster than the worker takes it: there the broker is not the limit.

The usual consumer drains as many.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from tests.benchmarks import cpu, draining, naive
from tests.benchmarks.services import Database, Services
from tests.benchmarks.stage import Report, Stage
from tests.benchmarks.table import Row

EVENTS = 30_000


def measure(services: Services, database: Database, turns: int, report: Report) -> Iterator[Row]:
    stage = Stage.set(services, database, report, EVENTS)
    taken = draining.take_turns(stage, turns)
    rate, broker_rate = draining.middle_rate(taken), draining.middle_broker_rate(taken)
    limit = median(turn.limit for turn in taken)
    ratio = median(turn.worker.rate / turn.limit for turn in taken)
    cost = median(turn.worker.micros(turn.worker.all_cpu) for turn in taken)
    busy = rate * cost / 1e6 / cpu.cores()
    yield Row(
        f"draining {EVENTS:,} events, of which the broker alone gives {broker_rate:,.0f} a second",
        f"{ratio:.2f} of the limit ({rate:,.0f} of {limit:,.0f} events/s); worker, PostgreSQL and broker took "
        f"{cost:.1f} µs of CPU an event, {busy:.2f} of all there was",
        "≥ 0.85",
        ratio >= 0.85,
        {"ratio": ratio, "rate": rate, "limit": limit, "broker_rate": broker_rate, "cpu_us": cost},
    )
    report(f"the usual consumer, {EVENTS:,} events")
    own = services.new_database("naive_shorter", template="bench")
    naively = naive.drain_naively(services, own, EVENTS)
    stage.backlog.delete()
    yield naive.row(rate, broker_rate, naively, equal_backlogs=True)
