"""A long backlog: the emulator is the narrowest part, so the worker is judged against a consumer that does nothing."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks import turns
from tests.benchmarks.draining import memory_row
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import Row

BROKER_GOAL = 0.85


def measure(stage: Stage, number: int) -> Iterator[Row]:
    taken = turns.take(stage, number)
    copy_rate, copy_us = taken.middle(lambda t: t.copy.rate), taken.middle(lambda t: t.copy.micros)
    text_rate, text_us = taken.middle(lambda t: t.text_copy.rate), taken.middle(lambda t: t.text_copy.micros)
    yield Row(
        "raw COPY, indexes and foreign key, no statistics",
        f"text {text_rate:,.0f} rows/s, {text_us:.1f} µs of PostgreSQL's CPU a row; "
        f"binary {copy_rate:,.0f}, {copy_us:.1f} µs",
        figures={"rate": copy_rate, "postgres_us": copy_us, "text_rate": text_rate, "text_us": text_us},
    )
    events, rate, broker_rate = len(stage.messages), taken.rate, taken.broker_rate
    broker_us = taken.middle(lambda t: t.broker.micros)
    yield Row(
        f"the broker alone: {events:,} pulled and acknowledged",
        f"{broker_rate:,.0f} events/s; broker {broker_us:.1f} µs of CPU an event",
        figures={"rate": broker_rate, "broker_us": broker_us},
    )
    ratio = taken.middle(lambda t: t.of_the_broker)
    yield Row(
        f"draining {events:,} events, published → row, statistics exact, against the broker alone",
        f"{ratio:.2f} ({rate:,.0f} of {broker_rate:,.0f} events/s)",
        f"≥ {BROKER_GOAL:.2f}",
        ratio >= BROKER_GOAL,
        {"ratio": ratio, "rate": rate},
    )
    parts = {
        "worker_us": taken.micros(lambda drained: drained.consumer),
        "postgres_us": taken.micros(lambda drained: drained.postgres),
        "broker_us": taken.micros(lambda drained: drained.broker),
    }
    others = taken.middle(lambda t: t.worker.others)
    yield Row(
        "CPU an event in the same drain",
        f"worker {parts['worker_us']:.1f} µs, PostgreSQL {parts['postgres_us']:.1f} µs, "
        f"broker {parts['broker_us']:.1f} µs; other programs used {others:.2f} cores",
        figures=parts | {"other_programs_cores": others},
    )
    yield memory_row(taken.last.worker)
