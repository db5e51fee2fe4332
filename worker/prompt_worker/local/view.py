"""What `prompt-worker up` shows: a live table on a terminal, a line at intervals where it is piped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table
from sqlalchemy import Engine, text

from prompt_worker.deadletters.filters import Filter
from prompt_worker.deadletters.summary import summarize
from prompt_worker.local.demo.run import DemoRun, Ledger
from prompt_worker.local.worker_process import WorkerProcess
from prompt_worker.platform.postgres.session import Session

LINE_SECONDS = 1.0
CAUSES = 12  # of dead letters, shown


class View:
    """Counts of the demonstration, told whenever `show` is called."""

    def __init__(
        self,
        console: Console,
        demo: DemoRun | None,
        executions: WorkerProcess,
        guardrails: WorkerProcess,
        dead_letters: WorkerProcess,
    ) -> None:
        self._console = console
        self._demo = demo
        self._executions = executions
        self._guardrails = guardrails
        self._dead_letters = dead_letters
        self._live: Live | None = None
        self._told_at = 0.0
        self._told: dict[str, int] = {}

    @contextmanager
    def live(self) -> Iterator[None]:
        if not self._console.is_terminal:
            yield
            self._tell()
            return
        with Live(self._table(), console=self._console, refresh_per_second=8) as self._live:
            yield
            self._live.update(self._table())
        self._live = None

    def show(self) -> None:
        if self._live is not None:
            self._live.update(self._table())
        elif time.monotonic() - self._told_at >= LINE_SECONDS:
            self._tell()

    def counts(self) -> dict[str, int]:
        totals = self._executions.totals
        counts = {
            "written": totals["written"],
            "duplicate": totals["duplicate"],
            "dead-lettered": totals["dead-lettered"],
            "stored": self._dead_letters.totals["written"],
            "evaluated": self._guardrails.totals["written"],
        }
        if self._demo is None:
            return counts
        published = self._demo.published
        return {"published": published, **counts, "lag": max(0, published - self._executions.settled)}

    def _tell(self) -> None:
        counts = self.counts()
        if counts != self._told:
            self._console.print("  ".join(f"{name} {number:,}" for name, number in counts.items()))
        self._told, self._told_at = counts, time.monotonic()

    def _table(self) -> Table:
        counts = self.counts()
        table = Table(*counts, box=None, header_style="bold", padding=(0, 3, 0, 0))
        table.add_row(*(f"{number:,}" for number in counts.values()))
        return table


def print_ledger(console: Console, ledger: Ledger) -> None:
    dead = ledger.dead_lettered
    console.print(
        f"\n{ledger.published:,} published = {ledger.written:,} written + {ledger.duplicates:,} duplicates "
        f"+ {dead.total():,} dead-lettered: {'nothing is lost' if ledger.holds else 'THE SUM DOES NOT HOLD'}"
    )
    if ledger.redelivered:
        console.print(f"({ledger.redelivered:,} were delivered again by Pub/Sub and recognised)")
    if dead:
        console.print(
            "dead letters: " + ", ".join(f"{number} {cause}" for cause, number in dead.most_common())
        )


def print_dead_letters(console: Console, engine: Engine) -> None:
    """Those that are stored, by cause, the largest first."""
    summary = summarize(Session(engine), Filter(), limit=CAUSES)
    if not summary.total:
        return
    table = Table("stored", "pending", "error class", "reason", box=None, padding=(0, 1, 0, 0))
    for column in table.columns[:2]:
        column.justify = "right"
    for group in summary.groups:
        table.add_row(f"{group.number:,}", f"{group.pending:,}", group.error_class, group.reason)
    console.print()
    console.print(table, markup=False)
    console.print(
        f"{summary.total:,} dead letters of {summary.causes:,} causes: 'prompt-worker dead-letters summary', "
        "'show ID', 'replay'\n"
    )


def print_violations(console: Console, ledger: Ledger) -> None:
    """Planted beside recorded, kind by kind."""
    table = Table("guardrail", "what", "seen by", "planted", "recorded", box=None, padding=(0, 1, 0, 0))
    for column in table.columns[3:]:
        column.justify = "right"
    for kind in sorted(ledger.planted | ledger.found):
        style = "" if ledger.planted[kind] == ledger.found[kind] else "bold red"
        table.add_row(*kind, f"{ledger.planted[kind]:,}", f"{ledger.found[kind]:,}", style=style)
    console.print()
    console.print(table)
    exact = ledger.planted == ledger.found
    console.print("violations: as planted, and no other" if exact else "THE VIOLATIONS ARE NOT THOSE PLANTED")


def print_statistics(console: Console, engine: Engine) -> None:
    """The templates' statistics, as a prompt owner's query sees them."""
    table = Table(
        "template", "runs", "ok", "fail", "ok %", "ms", "tokens", "US$", box=None, padding=(0, 1, 0, 0)
    )
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    query = text(
        "SELECT name || ' v' || version, total_executions, success_count, failure_count, success_rate_percentage, "
        "round(avg_response_time_ms)::integer, avg_token_count, round(avg_cost_usd, 5) "
        "FROM v_template_performance WHERE total_executions > 0 ORDER BY name, version"
    )
    with engine.connect() as connection:
        for row in connection.execute(query):
            name, *numbers = row
            table.add_row(name, *("" if value is None else f"{value:,}" for value in numbers))
    console.print(table)
