"""Dead letters rehearsed and sent again: the commands as an operator types them, from start to exit."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psutil

from tests.benchmarks.events import bodies
from tests.benchmarks.services import Database, VoidError
from tests.benchmarks.stage import Report
from tests.benchmarks.table import Row
from tests.support.pipeline import Pipeline
from tests.support.replaying import letter, store

LETTERS = 20_000
RATE_GOAL = 2_000
# Bytes, of the second half's most above the first half's.
GROWTH_GOAL = 10_000_000
CHECK_SECONDS = 0.02


@dataclass(frozen=True)
class Run:
    """Seconds from start to exit, and resident bytes at most in each half of them."""

    seconds: float
    halves: tuple[int, int]


def measure(database: Database, report: Report) -> Iterator[Row]:
    report(f"storing {LETTERS:,} dead letters")
    database.empty()
    pipeline = Pipeline("bench-replays", database.url)
    store(database.url, [letter(body) for body in bodies(LETTERS, database.templates())])
    database.execute("VACUUM ANALYZE dead_letter_events")
    report("dry run")
    rehearsed = run(pipeline, f"{LETTERS:,} would be written", "replay")
    database.check(0)
    report("replay")
    replayed = run(pipeline, f"{LETTERS:,} not settled yet", "replay", "--yes", "--wait", "0")
    [(sent,)] = database.execute("SELECT count(*) FROM dead_letter_events WHERE replay_count = 1")
    pipeline.close()
    database.execute("TRUNCATE dead_letter_events, dead_letter_actions, dead_letter_outcomes")
    if sent != LETTERS:
        raise VoidError(f"{sent} of {LETTERS} were sent")
    yield _row("dry run of dead letters", "dry run", rehearsed)
    yield _row("replay of dead letters, unthrottled", "replay", replayed)


def run(pipeline: Pipeline, expected: str, *arguments: str) -> Run:
    """`prompt-worker dead-letters ARGUMENTS`; raises `VoidError` where it does not print `expected`."""
    environment = os.environ | {
        "DATABASE_URL": pipeline.database,
        "PUBSUB_PROJECT_ID": pipeline.topology.project,
    }
    usage: list[int] = []
    with tempfile.TemporaryFile("w+") as printed:
        started = time.perf_counter()
        command = [sys.executable, "-m", "prompt_worker", "dead-letters", *arguments]
        with subprocess.Popen(command, env=environment, stdout=printed, stderr=printed) as process:
            watched = psutil.Process(process.pid)
            while process.poll() is None:
                usage.append(_resident(watched))
                time.sleep(CHECK_SECONDS)
        seconds = time.perf_counter() - started
        printed.seek(0)
        if expected not in (output := printed.read()):
            raise VoidError(f"dead-letters {' '.join(arguments)}: {output}")
    return Run(seconds, _most_by_halves(usage))


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it has just ended
        return 0


def _most_by_halves(usage: Sequence[int]) -> tuple[int, int]:
    half = len(usage) // 2
    return max(usage[:half]), max(usage[half:])


def _row(what: str, name: str, found: Run) -> Row:
    rate = LETTERS / found.seconds
    first, second = found.halves
    return Row(
        f"{what}: {LETTERS:,}, the whole command",
        f"{rate:,.0f} events/s; at most {max(found.halves) / 1e6:.0f} MB, "
        f"{max(0, second - first) / 1e6:.0f} MB more in the second half",
        f"≥ {RATE_GOAL:,}, flat",
        rate >= RATE_GOAL and second - first < GROWTH_GOAL,
        {f"{name}_rate": rate, f"{name}_most_mb": max(found.halves) / 1e6},
    )
