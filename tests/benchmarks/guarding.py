"""The guardrail worker on the seed guardrails: its drain beside the execution worker's, and both at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from tests.benchmarks.broker import Backlog
from tests.benchmarks.events import bodies
from tests.benchmarks.services import Database, Services, VoidError, session
from tests.benchmarks.stage import Report
from tests.benchmarks.table import Row
from tests.benchmarks.worker_process import ChildProcess, worker

CHECK_SECONDS = 0.04
STALLED_SECONDS = 120.0
MEMORY_GOAL = 250_000_000
TOGETHER_GOAL = 5_000
SHORT = 30_000
# Of the execution worker's rate: over a short backlog that worker does not wait for the broker.
SHORT_GOAL, LONG_GOAL = 0.60, 0.70
KEY = {"PROMPT_WORKER_HMAC_KEY": "of the benchmarks, 32 characters and more"}
# Counters, committed with the rows they count: a check costs next to nothing.
DONE = {
    "executions": "SELECT coalesce(sum(total_executions), 0)::bigint FROM v_template_statistics",
    "guardrails": "SELECT max(total_checks) FROM v_guardrail_statistics",
}


@dataclass(frozen=True)
class Drained:
    """Seconds until one consumer had done all, the CPU seconds it took, and its resident bytes at most."""

    seconds: float
    cpu: float
    memory: int


def measure(services: Services, database: Database, events: int, report: Report) -> Iterator[Row]:
    for number in (events, SHORT) if events > SHORT else (events,):
        report(f"making and publishing {number:,} events for both workers")
        backlog = Backlog(services.emulator.host, ("writer", "guardrails"))
        backlog.publish(bodies(number, database.templates()))
        # One side after the other, twice, so that none has the warmer machine; the second counts.
        for turn in (1, 2):
            report(f"guardrails, turn {turn} of 2: the execution worker")
            [executions] = drain(database, backlog, ["executions"])
            report(f"guardrails, turn {turn} of 2: the guardrail worker")
            [guardrails] = drain(database, backlog, ["guardrails"])
        yield _against(number, executions, guardrails)
        if number == events:
            yield _memory(guardrails)
            report("both workers")
            yield _together(number, drain(database, backlog, ["executions", "guardrails"]))
        backlog.delete()


def _against(events: int, executions: Drained, guardrails: Drained) -> Row:
    ratio = executions.seconds / guardrails.seconds
    goal = LONG_GOAL if events > SHORT else SHORT_GOAL
    return Row(
        f"guardrails over {events:,} events, against the execution worker",
        f"{ratio:.2f} ({events / guardrails.seconds:,.0f} against {events / executions.seconds:,.0f} events/s; "
        f"{guardrails.cpu / events * 1e6:.0f} µs of CPU an event)",
        f"≥ {goal:.2f}",
        ratio >= goal,
        {"ratio": ratio, "rate": events / guardrails.seconds, "worker_us": guardrails.cpu / events * 1e6},
    )


def _memory(guardrails: Drained) -> Row:
    return Row(
        "memory of the guardrail worker",
        f"at most {guardrails.memory / 1e6:.0f} MB",
        "≤ 250 MB",
        guardrails.memory <= MEMORY_GOAL,
        {"most_mb": guardrails.memory / 1e6},
    )


def _together(events: int, both: Sequence[Drained]) -> Row:
    rates = [events / each.seconds for each in both]
    return Row(
        "both workers on the same machine",
        f"{min(rates):,.0f} events/s through both; the executions were written at {rates[0]:,.0f} events/s",
        f"≥ {TOGETHER_GOAL:,}",
        min(rates) >= TOGETHER_GOAL,
        {"rate": min(rates), "rate_executions": rates[0], "rate_guardrails": rates[1]},
    )


def drain(database: Database, backlog: Backlog, consumers: Sequence[str]) -> list[Drained]:
    """Of the same events by each of `consumers`, all at once; raises `VoidError` unless counters are exact."""
    database.empty()
    backlog.clear()
    children = [worker(database.url, backlog.topology.project, consumer, **KEY) for consumer in consumers]
    with ExitStack() as running:
        for child in children:
            running.enter_context(child)
        for child in children:
            child.wait_until_idle()
        before = [child.cpu() for child in children]
        backlog.refill()
        drained = _watch(database, backlog.size, dict(zip(consumers, children, strict=True)), before)
    for child in children:
        child.forget()
    database.check(backlog.size if "executions" in consumers else 0)
    return drained


def _watch(
    database: Database, events: int, children: dict[str, ChildProcess], before: Sequence[float]
) -> list[Drained]:
    started = time.perf_counter()
    most = dict.fromkeys(children, 0)
    seconds: dict[str, float] = {}
    with session(database.url) as watching, watching.cursor() as cursor:
        while len(seconds) < len(children):
            time.sleep(CHECK_SECONDS)
            for consumer, child in children.items():
                child.check()
                most[consumer] = max(most[consumer], child.memory())
                cursor.execute(DONE[consumer])
                if consumer not in seconds and cursor.fetchone()[0] >= events:
                    seconds[consumer] = time.perf_counter() - started
            if time.perf_counter() - started > STALLED_SECONDS:
                raise VoidError(f"{set(children) - set(seconds)} not done after {STALLED_SECONDS:.0f} s")
    return [
        Drained(seconds[consumer], child.cpu() - used, most[consumer])
        for (consumer, child), used in zip(children.items(), before, strict=True)
    ]
