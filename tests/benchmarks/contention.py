"""One, two and sixteen writers on the same three templates: rows a second, exact after each run.

As a worker writes a batch, which leaves deltas; as any other program writes, which waits for the counters' rows; and
without statistics. No broker and no parsing: what is measured is how far writers are in each other's way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from io import BytesIO
from statistics import median

from prompt_worker.consuming.folding import folding
from prompt_worker.platform.postgres.binary_copy import HEADER, TRAILER
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.statements import statement
from tests.benchmarks.events import rows_of
from tests.benchmarks.services import Database
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import Row, times

WRITERS = (1, 2, 16)
SIZES = (500, 50, 10)
SECONDS = 4.0
# Of two writers' rate, and of one writer that waits for the counters.
GOAL, SMALL_GOAL = 0.95, 2.0

_BATCH = statement("prompt_worker.executions.writer", "write_executions")
HOW = {
    "batches": _BATCH,
    "other programs": _BATCH.replace("SET LOCAL prompt_worker.batch = on;", ""),
    "no statistics": _BATCH,
}
Rates = dict[tuple[str, int, int], float]


def measure(stage: Stage, turns: int) -> Iterator[Row]:
    rows = rows_of(stage.messages)
    taken: dict[tuple[str, int, int], list[float]] = {}
    for turn in range(1, turns + 1):
        for size in SIZES:
            for writers in WRITERS:
                stage.report(f"turn {turn} of {turns}: {writers} writing batches of {size}")
                for how in HOW:
                    rate = write(stage.database, rows, how, writers, size)
                    taken.setdefault((how, size, writers), []).append(rate)
    rates = {key: median(several) for key, several in taken.items()}
    for size in SIZES:
        yield _row(rates, size)


def write(database: Database, rows: Sequence[bytes], how: str, writers: int, size: int) -> float:
    """Rows a second, for `SECONDS` at most. Raises `VoidError` where a row or a count is missing."""
    database.empty()
    counted = how != "no statistics"
    month = database.month()
    copy = HOW[how].replace("COPY prompt_executions (", f"COPY {month} (")
    if not counted:
        database.execute(f"ALTER TABLE {month} DISABLE TRIGGER USER")
    batches = iter(range(0, len(rows) - size + 1, size))
    taking, written = threading.Lock(), [0] * writers
    engine = connect(database.url, application_name="bench contention", pool_size=writers + 1)

    def work(writer: int) -> None:
        connection = engine.raw_connection()
        cursor = connection.cursor()
        while time.perf_counter() < until:
            with taking:
                start = next(batches, None)
            if start is None:
                break
            body = BytesIO(b"".join([HEADER, *rows[start : start + size], TRAILER]))
            cursor.copy_expert(copy, body, size=1 << 20)  # type: ignore[attr-defined]
            connection.commit()
            written[writer] += size
        connection.close()

    with folding(engine) if how == "batches" else nullcontext(), ThreadPoolExecutor(writers) as pool:
        started = time.perf_counter()
        until = started + SECONDS
        for done in [pool.submit(work, writer) for writer in range(writers)]:
            done.result()
        seconds = time.perf_counter() - started
    engine.dispose()
    if not counted:
        database.execute(f"ALTER TABLE {month} ENABLE TRIGGER USER")
    database.check(sum(written), exact_statistics=counted)
    return sum(written) / seconds


def _row(rates: Rates, size: int) -> Row:
    def shown(how: str) -> str:
        return " / ".join(f"{rates[how, size, writers]:,.0f}" for writers in WRITERS)

    ratio = rates["batches", size, 16] / rates["batches", size, 2]
    gain = rates["batches", size, 1] / rates["other programs", size, 1]
    small = size == min(SIZES)
    return Row(
        f"1 / 2 / 16 writers of {size} rows at a time on the same three templates, rows/s",
        f"{shown('batches')}: 16 against 2 {ratio:.2f}, 1 against another program {times(gain)}; "
        f"other programs {shown('other programs')}; no statistics {shown('no statistics')}",
        f"16 ≥ {GOAL:.2f} of 2" + (f"; 1 ≥ {times(SMALL_GOAL, 0)}" if small else ""),
        ratio >= GOAL and (not small or gain >= SMALL_GOAL),
        {
            f"{how.replace(' ', '_')}_{writers}": rates[how, size, writers]
            for how in HOW
            for writers in WRITERS
        },
    )
