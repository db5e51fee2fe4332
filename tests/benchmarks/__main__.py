"""`python -m tests.benchmarks`: prints the table of the design's "Speed and memory"; reports, and fails on no time."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from time import monotonic

from rich.console import Console

from tests.benchmarks import (
    cpu,
    draining,
    growth,
    guarding,
    latency,
    naive,
    observing,
    publishing,
    pushing,
    replaying,
    scaling,
    services,
    shorter,
    storing,
    write_path,
)
from tests.benchmarks.broker import Backlog
from tests.benchmarks.drain import drain
from tests.benchmarks.events import bodies
from tests.benchmarks.services import Database, Services
from tests.benchmarks.stage import Report, Stage
from tests.benchmarks.table import Row, show

PARTS = (
    "drain",
    "write-path",
    "naive",
    "shorter",
    "latency",
    "publisher",
    "scaling",
    "guardrails",
    "push",
    "replay",
    "dead-letters",
    "telemetry",
)

PUSHED_EVENTS = OBSERVED_EVENTS = 30_000  # more take longer and say the same
DEAD_LETTERS, SUMMED_UP = 30_000, 1_000_000


def main() -> None:
    options = parse(sys.argv[1:])
    console = Console(highlight=False)
    started = monotonic()
    status = console.status("starting PostgreSQL and the emulator") if console.is_terminal else nullcontext()
    with status as spinner:

        def report(doing: str) -> None:
            if spinner is not None:
                spinner.update(doing)
            else:
                print(f"{monotonic() - started:6.1f} s  {doing}", file=sys.stderr, flush=True)

        report("starting PostgreSQL and the emulator")
        rows: list[Row] = []
        with (
            services.start(stock_broker=options.stock_broker) as running,
            suppress(KeyboardInterrupt),
        ):  # what is measured by then is shown
            version = running.postgres.version
            for row in measure(running, options, report):
                rows.append(row)
    about = (
        f"{cpu.cores()} cores, PostgreSQL {version}, Google's emulator, Python {platform.python_version()}"
    )
    console.print(f"{about}; {monotonic() - started:.0f} s\n")
    show(rows, console)
    if options.json:
        result = {"machine": about, "events": options.events, "rows": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(result, indent=1, ensure_ascii=False))


def measure(running: Services, options: argparse.Namespace, report: Report) -> Iterator[Row]:
    only = set(options.only)
    database = running.new_database("bench").migrate()
    if only & {"drain", "write-path", "naive", "scaling"}:
        stage = Stage.set(running, database, report, options.events)
        yield from on_stage(stage, only, options)
        stage.backlog.delete()
    if "shorter" in only:
        yield from shorter.measure(running, database, options.turns, report)
    if "latency" in only:
        report(f"latency, for {options.latency_seconds:.0f} s")
        database.empty()
        yield latency.measure(running.emulator.host, database, options.latency_seconds)
    if "publisher" in only:
        report("the publisher")
        yield publishing.measure(database, options.calls)
    if "guardrails" in only:
        yield from guarding.measure(running, database, options.events, report)
    if "push" in only:
        yield from pushing.measure(database, min(options.events, PUSHED_EVENTS), report)
    if "replay" in only:
        yield from replaying.measure(database, report)
    if "dead-letters" in only:
        yield from storing.measure(running, database, min(options.events, DEAD_LETTERS), SUMMED_UP, report)
    if "telemetry" in only:
        yield observing.measure(
            running, database, min(options.events, OBSERVED_EVENTS), options.turns, report
        )
    if options.memory_events:
        yield long_drain(running, database, options.memory_events, report)
    if options.rows:
        yield growth.measure(running, database, options.events, options.rows, report)


def on_stage(stage: Stage, only: set[str], options: argparse.Namespace) -> Iterator[Row]:
    """What drains or writes the same events."""
    if only & {"drain", "naive"}:
        turns = draining.take_turns(stage, options.turns)
        yield from draining.rows(turns)
        yield draining.memory_row(turns[-1].worker)
    if "write-path" in only:
        yield write_path.measure(stage, options.turns)
    if "naive" in only:
        number = options.events if options.equal_backlogs else min(options.naive_events, options.events)
        stage.report(f"the usual consumer, {number:,} events")
        own = stage.services.new_database("naive", template="bench")
        naively = naive.drain_naively(stage.services, own, number)
        rates = draining.middle_rate(turns), draining.middle_broker_rate(turns)
        yield naive.row(*rates, naively, equal_backlogs=options.equal_backlogs)
    if "scaling" in only:
        yield scaling.measure(stage, options.turns)


def long_drain(running: Services, database: Database, number: int, report: Report) -> Row:
    report(f"publishing {number:,} events")
    database.empty()
    backlog = Backlog(running.emulator.host)
    backlog.publish(bodies(number, database.templates()))
    report(f"draining {number:,} events")
    row = draining.memory_row(drain(running, database, backlog))
    backlog.delete()
    return row


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    add = parser.add_argument
    add("--events", type=int, default=100_000, metavar="N", help="the backlog that is drained (100,000)")
    add("--turns", type=int, default=3, metavar="N", help="repetitions whose median is shown (3)")
    add("--only", type=lambda text: text.split(","), default=PARTS, metavar="PART,…", help=", ".join(PARTS))
    add("--naive-events", type=int, default=5_000, metavar="N", help="the usual consumer's backlog (5,000)")
    add(
        "--equal-backlogs",
        action="store_true",
        help="the usual consumer drains as many as the worker; minutes",
    )
    add("--latency-seconds", type=float, default=22.0, metavar="S", help="at 100 events/s (22)")
    add("--calls", type=int, default=3_000, metavar="N", help="calls of publish() (3,000)")
    add("--memory-events", type=int, metavar="N", help="also: memory while N events drain, such as 1,000,000")
    add("--rows", type=int, metavar="N", help="also: the rate with N rows in the table, such as 5,000,000")
    add(
        "--stock-broker", action="store_true", help="the emulator as Google's command starts it, not as we do"
    )
    add("--json", type=Path, metavar="FILE", help="write every figure to FILE")
    options = parser.parse_args(arguments)
    if unknown := set(options.only) - set(PARTS):
        parser.error(f"--only: no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return options


if __name__ == "__main__":
    main()
