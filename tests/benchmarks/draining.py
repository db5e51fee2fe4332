"""One drain of a backlog by one or more workers: its rate, memory, and what each part paid for it in CPU."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from tests.benchmarks.broker import Backlog
from tests.benchmarks.services import Database, Services, session
from tests.benchmarks.table import Row
from tests.benchmarks.worker_process import ChildProcess, worker

# A check costs PostgreSQL something too.
CHECK_SECONDS = 0.04
STALLED_SECONDS = 60.0
MEMORY_GOAL = 130_000_000
FLAT = 1.1
_WRITTEN = "SELECT coalesce(sum(total_executions), 0)::bigint FROM v_template_statistics"


@dataclass(frozen=True)
class Memory:
    """Resident bytes of one consumer: at most, when a tenth was drained, when half was, and when all was."""

    most: int
    early: int
    half: int
    late: int


@dataclass(frozen=True)
class Drain:
    """Seconds from the moment the backlog waits to its last committed row; CPU in seconds, for `events`."""

    events: int
    seconds: float
    broker: float
    postgres: float
    consumer: float
    # Cores that other programs kept busy meanwhile.
    others: float
    memory: Memory

    @property
    def all_cpu(self) -> float:
        return self.broker + self.postgres + self.consumer

    @property
    def rate(self) -> float:
        return self.events / self.seconds

    def micros(self, seconds: float) -> float:
        return seconds / self.events * 1e6


def drain(services: Services, database: Database, backlog: Backlog) -> Drain:
    """By a real worker; raises `VoidError` unless rows and statistics are exact afterwards."""
    child = worker(database.url, backlog.topology.project)
    result = watch(services, database, backlog, [child])
    child.forget()
    return result


def watch(
    services: Services,
    database: Database,
    backlog: Backlog,
    children: Sequence[ChildProcess],
    *,
    exact_statistics: bool = True,
) -> Drain:
    """The consumers start and become idle first; then the backlog comes, and the clock starts."""
    backlog.clear()
    [(before,)] = database.execute(_WRITTEN)
    assert isinstance(before, int)
    with ExitStack() as running:
        for child in children:
            running.enter_context(child)
        for child in children:
            child.wait_until_idle()
        startup = sum(child.cpu() for child in children)
        backlog.refill()
        start = services.read()
        memory = _wait(database.url, before, backlog.size, children)
        seconds = time.perf_counter() - start.clock
        # The last acknowledgements.
        time.sleep(0.2)
        used = services.read() - start
        consumer = sum(child.cpu() for child in children) - startup
    database.check(before + backlog.size, exact_statistics=exact_statistics)
    ours = used.broker + used.postgres + consumer
    others = max(0.0, used.machine - ours) / used.clock
    return Drain(backlog.size, seconds, used.broker, used.postgres, consumer, others, memory)


def _wait(url: str, before: int, number: int, children: Sequence[ChildProcess]) -> Memory:
    """Until all are counted, by the statistics of three templates, which are committed together with the executions."""
    samples: list[tuple[int, int]] = []
    progress, progressed = 0, time.monotonic()
    with session(url) as watching, watching.cursor() as cursor:
        while progress < number:
            time.sleep(CHECK_SECONDS)
            cursor.execute(_WRITTEN)
            written = cursor.fetchone()[0] - before
            samples.append((written, children[0].memory()))
            if written > progress:
                progress, progressed = written, time.monotonic()
            elif time.monotonic() - progressed > STALLED_SECONDS:
                raise TimeoutError(
                    f"{progress} of {number} events were written, then none in {STALLED_SECONDS} s"
                )
            for child in children:
                child.check()
    early, half = (next(size for written, size in samples if written >= number * part) for part in (0.1, 0.5))
    return Memory(max(size for _, size in samples), early, half, samples[-1][1])


def memory_row(drained: Drain) -> Row:
    """Flat: the second half adds less than a tenth."""
    memory = drained.memory
    most, early, half, late = (size / 1e6 for size in (memory.most, memory.early, memory.half, memory.late))
    return Row(
        f"worker memory while {drained.events:,} events drain",
        f"at most {most:.0f} MB; {early:.0f} MB after a tenth, {half:.0f} at half, {late:.0f} at the end",
        f"flat, ≤ {MEMORY_GOAL / 1e6:.0f} MB",
        memory.most <= MEMORY_GOAL and late <= half * FLAT,
        {"most_mb": most, "early_mb": early, "half_mb": half, "late_mb": late},
    )
