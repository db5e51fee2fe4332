"""The write path alone: message bytes in memory → committed rows with statistics exact; no broker."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import msgspec

from tests.benchmarks.draining import raw_copy
from tests.benchmarks.services import Database, VoidError
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import Row
from worker.database import connect
from worker.event import EVENT_TYPE
from worker.executions import ExecutionWriter
from worker.outcome import Verdict
from worker.settings import ConsumerSettings
from worker.subscription import Message

BATCH = next(f.default for f in msgspec.structs.fields(ConsumerSettings) if f.name == "batch_messages")
ATTRIBUTES = {"ce-specversion": "1.0", "ce-type": EVENT_TYPE}


def write(database: Database, bodies: Sequence[bytes], threads: int) -> float:
    """Events/s of the execution worker's handler, called with full batches."""
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
    database.check(len(bodies))
    return len(rest) / seconds


def measure(stage: Stage, turns: int) -> Row:
    ratios: dict[int, list[float]] = {1: [], 2: []}
    rates: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(1, turns + 1):
        stage.report(f"the write path alone, turn {turn} of {turns}")
        stage.database.empty()
        copy_rate = raw_copy(stage).rate
        for threads, of_copy in ratios.items():
            stage.database.empty()
            rates[threads].append(write(stage.database, stage.messages, threads))
            of_copy.append(rates[threads][-1] / copy_rate)
    one, two = median(ratios[1]), median(ratios[2])
    return Row(
        "the write path alone, bytes → committed rows, against raw COPY on one connection",
        f"{one:.2f} with one thread ({median(rates[1]):,.0f}/s), {two:.2f} with two ({median(rates[2]):,.0f}/s)",
        "≥ 0.70",
        max(one, two) >= 0.70,
        {"ratio_1": one, "ratio_2": two, "rate_1": median(rates[1]), "rate_2": median(rates[2])},
    )
