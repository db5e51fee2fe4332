"""A backlog so short that the emulator hands it out faster than the worker drains it: there the machine is the limit.

The usual consumer drains as many.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks import cpu, turns, usual_consumer
from tests.benchmarks.services import Database, Services
from tests.benchmarks.stage import Report, Stage
from tests.benchmarks.table import Row

EVENTS = 30_000
BUSY_GOAL, WORKER_GOAL, STATISTICS_GOAL = 0.90, 20.0, 6.0


def measure(services: Services, database: Database, number: int, report: Report) -> Iterator[Row]:
    stage = Stage.set(services, database, report, EVENTS)
    taken = turns.take(stage, number)
    stage.backlog.delete()
    yield from machine_rows(taken)
    report(f"the usual consumer, {EVENTS:,} events")
    own = services.new_database("usual_consumer", template="bench")
    usual = usual_consumer.drain(services, own, EVENTS)
    yield usual_consumer.row(taken.rate, taken.broker_rate, usual)


def machine_rows(taken: turns.Turns) -> Iterator[Row]:
    busy = taken.middle(lambda turn: turn.busy)
    others = taken.middle(lambda turn: turn.worker.others)
    yield Row(
        f"draining {EVENTS:,} events, of which the broker alone gives {taken.broker_rate:,.0f} a second",
        f"{busy:.2f} of {cpu.cores()} cores busy with broker, database and worker; {taken.rate:,.0f} events/s; "
        f"other programs used {others:.2f} cores",
        f"≥ {BUSY_GOAL:.2f}",
        busy >= BUSY_GOAL,
        {
            "busy": busy,
            "rate": taken.rate,
            "broker_rate": taken.broker_rate,
            "other_programs_cores": others,
        },
    )
    worker = taken.micros(lambda drained: drained.consumer)
    postgres = taken.micros(lambda drained: drained.postgres)
    broker = taken.micros(lambda drained: drained.broker)
    yield Row(
        "CPU of the worker an event",
        f"{worker:.1f} µs (in the same drain PostgreSQL {postgres:.1f} µs, broker {broker:.1f} µs)",
        f"≤ {WORKER_GOAL:.0f} µs",
        worker <= WORKER_GOAL,
        {"worker_us": worker, "postgres_us": postgres, "broker_us": broker},
    )
    statistics = taken.middle(lambda turn: turn.statistics)
    copy = taken.middle(lambda turn: turn.copy.micros)
    yield Row(
        "PostgreSQL's CPU an event in the same drain, above that of raw binary COPY: all statistics",
        f"{statistics:.1f} µs (COPY {copy:.1f} µs)",
        f"≤ {STATISTICS_GOAL:.0f} µs",
        statistics <= STATISTICS_GOAL,
        {"statistics_us": statistics, "copy_us": copy},
    )
