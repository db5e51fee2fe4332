"""The write path alone: message bytes in memory → committed rows with statistics exact; no broker."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import msgspec

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Verdict
from prompt_worker.event.execution import EVENT_TYPE
from prompt_worker.executions.writer import ExecutionWriter
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.settings import ConsumerSettings
from tests.benchmarks.bounds import as_text, raw_copy
from tests.benchmarks.services import Database, VoidError
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import Row

DEFAULTS = {f.name: f.default for f in msgspec.structs.fields(ConsumerSettings)}
BATCH = DEFAULTS["batch_messages"]
THREADS = (1, DEFAULTS["lanes"])
GOALS = dict(zip(THREADS, (0.70, 0.95), strict=True))
ATTRIBUTES = {"ce-specversion": "1.0", "ce-type": EVENT_TYPE}


def write(database: Database, bodies: Sequence[bytes], threads: int, before: int = 0) -> float:
    """Events/s of the execution worker's handler, called with full batches; the table holds `before` rows."""
    engine = connect(database.url, application_name="bench write path", pool_size=threads)
    handle = ExecutionWriter(engine, threading.Event())
    messages = [Message(body, ATTRIBUTES, "") for body in bodies]
    # 100 events each: Python code becomes fast and every thread has its connection.
    warm_up, rest = messages[: 100 * threads], messages[100 * threads :]
    size = BATCH
    batches = [rest[start : start + size] for start in range(0, len(rest), size)]
    with ThreadPoolExecutor(threads) as lanes:
        list(lanes.map(handle, [warm_up[start : start + 100] for start in range(0, len(warm_up), 100)]))
        start = time.perf_counter()
        outcomes = list(lanes.map(handle, batches))
        seconds = time.perf_counter() - start
    engine.dispose()
    if any(outcome is not Verdict.WRITTEN for batch in outcomes for outcome in batch):
        raise VoidError("the write path did not write every event")
    database.check(before + len(bodies))
    return len(rest) / seconds


def measure(stage: Stage, turns: int) -> Row:
    """Judged against COPY in its usual format, text, as the goals were set; against binary COPY beside it."""
    of_text: dict[int, list[float]] = {threads: [] for threads in THREADS}
    of_binary: dict[int, list[float]] = {threads: [] for threads in THREADS}
    rates: dict[int, list[float]] = {threads: [] for threads in THREADS}
    for turn in range(1, turns + 1):
        stage.report(f"the write path alone, turn {turn} of {turns}")
        stage.database.empty()
        binary = raw_copy(stage).rate
        text = as_text(stage)
        stage.database.empty()
        usual = raw_copy(stage, text).rate
        for threads in THREADS:
            stage.database.empty()
            rate = write(stage.database, stage.messages, threads)
            rates[threads].append(rate)
            of_text[threads].append(rate / usual)
            of_binary[threads].append(rate / binary)
    ratios = {threads: median(of_text[threads]) for threads in THREADS}
    return Row(
        "the write path alone, bytes → committed rows, against raw COPY on one connection",
        "; ".join(
            f"{ratios[n]:.2f} on {n} thread{'s' * (n > 1)} ({median(rates[n]):,.0f}/s, "
            f"{median(of_binary[n]):.2f} of binary COPY)"
            for n in THREADS
        ),
        "; ".join(f"≥ {GOALS[n]:.2f} on {n}" for n in THREADS),
        all(ratios[n] >= GOALS[n] for n in THREADS),
        {f"rate_{n}": median(rates[n]) for n in THREADS} | {f"ratio_{n}": ratios[n] for n in THREADS},
    )
