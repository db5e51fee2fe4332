"""What it costs to say how a prompt was served: the same events written with the fields that `run()` sets, and without.

In pairs within a minute, whichever is first taking turns: the worker's handler on one thread, whole batches, committed.
Judged by the CPU of the worker and PostgreSQL together, which other programs disturb less than time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from statistics import median

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Verdict
from prompt_worker.executions.writer import ExecutionWriter
from prompt_worker.platform.postgres.engine import connect
from tests.benchmarks.services import Database, Services, VoidError
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import Row
from tests.benchmarks.write_path import ATTRIBUTES, BATCH

PAIRS = 3  # a turn
EVENTS = 30_000
GOAL = 0.03
FIELDS = (
    b'"prompt_source":"live","selection":"production","registry_revision":812,"language":"de",'
    b'"content_sha256":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"'
)


def measure(stage: Stage, turns: int) -> Row:
    without = stage.messages[:EVENTS]
    sides = {"with": [extended(body) for body in without], "without": without}
    for bodies in sides.values():
        cpu(stage.services, stage.database, bodies)
    costs, spent = [], []
    for pair in range(turns * PAIRS):
        stage.report(f"fields of how a prompt was served, pair {pair + 1} of {turns * PAIRS}")
        order = ("with", "without") if pair % 2 else ("without", "with")
        used = {side: cpu(stage.services, stage.database, sides[side]) for side in order}
        costs.append(sum(used["with"]) / sum(used["without"]) - 1)
        spent.append([used["with"][part] - used["without"][part] for part in (0, 1)])
    middle = median(costs)
    worker, postgres = (median(each[part] for each in spent) * 1e6 for part in (0, 1))
    return Row(
        "events with the five fields that run() sets against the same without, bytes → committed rows, "
        f"{len(costs)} pairs",
        f"{middle:+.1%} of the CPU ({min(costs):+.1%} to {max(costs):+.1%}); an event {worker:+.2f} µs of the "
        f"worker's and {postgres:+.2f} µs of PostgreSQL's",
        f"≤ {GOAL:.0%}",
        middle <= GOAL,
        {
            "cost": middle,
            "least": min(costs),
            "most": max(costs),
            "worker_us": worker,
            "postgres_us": postgres,
        },
    )


def extended(body: bytes) -> bytes:
    return body[:-1] + b"," + FIELDS + b"}"


def cpu(services: Services, database: Database, bodies: Sequence[bytes]) -> tuple[float, float]:
    """Seconds an event: of this process, and of PostgreSQL."""
    database.empty()
    engine = connect(database.url, application_name="bench fields")
    handle = ExecutionWriter(engine, threading.Event())
    messages = [Message(body, ATTRIBUTES, "") for body in bodies]
    batches = [messages[start : start + BATCH] for start in range(0, len(messages), BATCH)]
    # Its connection, templates and months are found before.
    handle(batches.pop())
    before, own = services.read().postgres, time.process_time()
    outcomes = [handle(batch) for batch in batches]
    own = time.process_time() - own
    engine.dispose()
    used = services.read().postgres - before
    if any(outcome is not Verdict.WRITTEN for batch in outcomes for outcome in batch):
        raise VoidError("not every event was written")
    number = sum(map(len, batches))
    return own / number, used / number
