"""What `prompt-worker up` shows while it runs: a live table on a terminal, a line at intervals when piped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from prompt_worker.local.demo.run import DemoRun
from prompt_worker.local.worker_process import WorkerProcess

# Between two lines when piped.
LINE_SECONDS = 1.0
# Of a part of the time, from nothing to all; on a terminal alone.
BARS = " ▁▂▃▄▅▆▇█"
COLUMNS = 60


class View:
    """Counts of the demonstration, printed whenever `show` is called."""

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
        self._printed_at = 0.0
        self._printed: dict[str, int] = {}

    @contextmanager
    def live(self) -> Iterator[None]:
        if not self._console.is_terminal:
            yield
            self._print()
            return
        with Live(self._table(), console=self._console, refresh_per_second=8) as self._live:
            yield
            self._live.update(self._table())
        self._live = None

    def show(self) -> None:
        if self._live is not None:
            self._live.update(self._table())
        elif time.monotonic() - self._printed_at >= LINE_SECONDS:
            self._print()

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

    def _print(self) -> None:
        counts = self.counts()
        if counts != self._printed:
            parts = [f"{name} {number:,}" for name, number in counts.items()]
            self._console.print("  ".join([*parts, *self._released()]))
        self._printed, self._printed_at = counts, time.monotonic()

    def _released(self) -> list[str]:
        """The share of the version that was released meanwhile, once it was."""
        spread = self._demo.spread if self._demo else None
        if spread is None or spread.release is None:
            return []
        return [f"{spread.name} v{spread.release.version} {spread.share(spread.release.version):.0%}"]

    def _table(self) -> Group:
        counts = self.counts()
        table = Table(*counts, box=None, header_style="bold", padding=(0, 3, 0, 0))
        table.add_row(*(f"{number:,}" for number in counts.values()))
        return Group(table, *self._shares())

    def _shares(self) -> Iterator[RenderableType]:
        """Over the time of the demonstration: which part of a prompt's executions each version has."""
        if self._demo is None:
            return
        spread = self._demo.spread
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for version in spread.versions():
            columns = spread.shares(version, COLUMNS)
            bars = "".join(
                BARS[0] if each is None else BARS[round(each * (len(BARS) - 1))] for each in columns
            )
            table.add_row(f"v{version}", Text(bars), f"{spread.share(version):.0%}")
        if table.row_count:
            yield Text(f"\n{spread.name}, share of each version over {spread.seconds:.1f} s")
            yield table
