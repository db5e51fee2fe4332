"""`python -m tests.benchmarks`: measures speed and memory against their goals; reports, and fails on no time.

A whole run of the usual size writes its table to the README beside this file; any other only prints it.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from rich.console import Console

from tests.benchmarks import (
    client_caches,
    contention,
    conversion,
    cpu,
    experimenting,
    feedback,
    fields_cost,
    growth,
    guarding,
    large_events,
    latency,
    long_backlog,
    observing,
    partition_cost,
    prompt_service,
    prompting,
    publishing,
    pushing,
    registry,
    replaying,
    scaling,
    services,
    short_backlog,
    statistics_cost,
    storing,
    takeover,
    write_path,
)
from tests.benchmarks.broker import Backlog
from tests.benchmarks.draining import drain, memory_row
from tests.benchmarks.events import bodies
from tests.benchmarks.services import Database, Services
from tests.benchmarks.stage import Report, Stage
from tests.benchmarks.table import README, Row, show, write

PARTS = (
    "drain",
    "write-path",
    "scaling",
    "contention",
    "partition-cost",
    "fields-cost",
    "statistics",
    "short-drain",
    "latency",
    "publisher",
    "prompts",
    "prompt-clients",
    "guardrails",
    "large-events",
    "push",
    "registry",
    "replay",
    "dead-letters",
    "experiments",
    "feedback",
    "telemetry",
)

# More of them cost time and show the same.
PUSHED_EVENTS = OBSERVED_EVENTS = 30_000
EVENTS = 100_000
DEAD_LETTERS, SUMMED_UP = 30_000, 1_000_000
FEEDBACK_EVENTS = 30_000


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
        complete = False
        with services.start(stock_broker=options.stock_broker) as running:
            version = running.postgres.version
            # What is measured by Ctrl-C is shown, and what was before a part fails.
            try:
                for row in measure(running, options, report):
                    rows.append(row)
                complete = set(options.only) == set(PARTS) and options.events == EVENTS
            except KeyboardInterrupt:
                pass
            finally:
                show(rows, console)
    minutes = (monotonic() - started) / 60
    about = (
        f"{datetime.now(UTC):%Y-%m-%d}, in {minutes:.0f} min: {cpu.cores()} cores, PostgreSQL {version}, "
        f"Google's emulator, Python {platform.python_version()}; medians of {options.turns}."
    )
    console.print(f"\n{about}", soft_wrap=True)
    if options.json:
        result = {"machine": about, "events": options.events, "rows": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(result, indent=1, ensure_ascii=False))
    if complete:
        write(rows, about)
        print(f"written to {README}", file=sys.stderr)


def measure(running: Services, options: argparse.Namespace, report: Report) -> Iterator[Row]:
    only = set(options.only)
    database = running.new_database("bench").migrate()
    if only & {"drain", "write-path", "scaling", "contention", "partition-cost", "fields-cost", "statistics"}:
        stage = Stage.set(running, database, report, options.events)
        yield from on_stage(stage, only, options.turns)
        stage.backlog.delete()
    if "short-drain" in only:
        yield from short_backlog.measure(running, database, options.turns, report)
    if "latency" in only:
        report(f"latency, for {options.latency_seconds:.0f} s")
        database.empty()
        yield latency.measure(running.emulator.host, database, options.latency_seconds)
    if "publisher" in only:
        report("the publisher")
        yield publishing.measure(database, options.calls)
    yield from of_prompts(database, only, report)
    if "guardrails" in only:
        yield from guarding.measure(running, database, options.events, report)
    if "large-events" in only:
        yield large_events.measure(database, report)
    yield from of_commands(running, database, options, report)
    if "telemetry" in only:
        yield observing.measure(
            running, database, min(options.events, OBSERVED_EVENTS), options.turns, report
        )
    yield from of_large_sizes(running, database, options, report)


def of_commands(
    running: Services, database: Database, options: argparse.Namespace, report: Report
) -> Iterator[Row]:
    """What answers requests, and what people run."""
    only = set(options.only)
    if "push" in only:
        yield from pushing.measure(database, min(options.events, PUSHED_EVENTS), report)
    if "registry" in only:
        yield from registry.measure(database, report)
    if "replay" in only:
        yield from replaying.measure(database, report)
    yield from of_other_messages(running, database, options, report)
    if "experiments" in only:
        yield from experimenting.measure(running, report)


def of_other_messages(
    running: Services, database: Database, options: argparse.Namespace, report: Report
) -> Iterator[Row]:
    """What is no execution."""
    if "dead-letters" in options.only:
        yield from storing.measure(running, database, min(options.events, DEAD_LETTERS), SUMMED_UP, report)
    if "feedback" in options.only:
        yield from feedback.measure(running, database, min(options.events, FEEDBACK_EVENTS), report)


def on_stage(stage: Stage, only: set[str], turns: int) -> Iterator[Row]:
    """What drains or writes the same events."""
    if "drain" in only:
        yield from long_backlog.measure(stage, turns)
    if "write-path" in only:
        yield write_path.measure(stage, turns)
    if "scaling" in only:
        yield scaling.measure(stage, turns)
    if "contention" in only:
        yield from contention.measure(stage, turns)
    if "partition-cost" in only:
        yield partition_cost.measure(stage, turns)
    if "fields-cost" in only:
        yield fields_cost.measure(stage, turns)
    if "statistics" in only:
        yield statistics_cost.measure(stage, turns)


def of_prompts(database: Database, only: set[str], report: Report) -> Iterator[Row]:
    if "prompts" in only:
        report("prompts")
        yield from prompting.measure()
        yield from prompt_service.measure(database)
    if "prompt-clients" in only:
        yield from client_caches.measure(report)


def of_large_sizes(
    running: Services, database: Database, options: argparse.Namespace, report: Report
) -> Iterator[Row]:
    """Where they are asked for."""
    if options.memory_events:
        yield long_drain(running, database, options.memory_events, report)
    if options.rows:
        yield from growth.measure(running, options.rows, options.turns, report)
    if options.conversion_rows:
        yield conversion.measure(running, options.conversion_rows, options.turns, report)
    if options.takeover_rows:
        yield takeover.measure(running, options.takeover_rows, options.turns, report)


def long_drain(running: Services, database: Database, number: int, report: Report) -> Row:
    report(f"publishing {number:,} events")
    database.empty()
    backlog = Backlog(running.emulator.host)
    backlog.publish(bodies(number, database.templates()))
    report(f"draining {number:,} events")
    row = memory_row(drain(running, database, backlog))
    backlog.delete()
    return row


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    add = parser.add_argument
    add("--events", type=int, default=EVENTS, metavar="N", help="the backlog that is drained (100,000)")
    add("--turns", type=int, default=3, metavar="N", help="repetitions whose median is shown (3)")
    add(
        "--only",
        type=lambda text: text.split(",") if text else [],
        default=list(PARTS),
        metavar="PART,…",
        help=f"{', '.join(PARTS)}; none of them: ''",
    )
    add("--latency-seconds", type=float, default=22.0, metavar="S", help="at 100 events/s (22)")
    add("--calls", type=int, default=3_000, metavar="N", help="calls of publish() (3,000)")
    add("--memory-events", type=int, metavar="N", help="also: memory while N events drain, such as 1,000,000")
    add(
        "--rows",
        type=lambda text: sorted(int(size) for size in text.split(",")),
        metavar="N,…",
        help="also: the rate with N rows in the table, such as 1000000,5000000",
    )
    add(
        "--conversion-rows",
        type=int,
        metavar="N",
        help="also: inserts while a table of N rows gets partitions, such as 1,000,000",
    )
    add(
        "--takeover-rows",
        type=int,
        metavar="N",
        help="also: inserts beside the takeover of a live database of N rows, such as 1,000,000",
    )
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
