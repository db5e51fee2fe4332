"""What all statistics cost PostgreSQL: the same batches with their triggers and folds, and without, in turns.

A drain pays more above one COPY of all rows than this: its batches, commits and lookups too.
"""

from __future__ import annotations

from statistics import median

from prompt_worker.consuming.folding import folding
from prompt_worker.platform.postgres.engine import connect
from tests.benchmarks.bounds import raw_copy
from tests.benchmarks.partition_cost import BATCH, PAIRS, in_batches, write_batches
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import Row

GOAL = 6.0


def measure(stage: Stage, turns: int) -> Row:
    month, batches = stage.database.month(), in_batches(stage)
    one, without, counted = [], [], []
    for pair in range(turns * PAIRS):
        stage.report(f"cost of the statistics, pair {pair + 1} of {turns * PAIRS}")
        stage.database.empty()
        one.append(raw_copy(stage).micros)
        stage.database.execute(f"ALTER TABLE {month} DISABLE TRIGGER USER")
        without.append(write_batches(stage, month, batches).micros)
        stage.database.execute(f"ALTER TABLE {month} ENABLE TRIGGER USER")
        engine = connect(stage.database.url, application_name="bench statistics", pool_size=1)
        with folding(engine):
            counted.append(write_batches(stage, month, batches).micros)
        engine.dispose()
        stage.database.check(len(stage.messages))
    cost = median(after - before for after, before in zip(counted, without, strict=True))
    return Row(
        f"PostgreSQL's CPU a row for all statistics, in batches of {BATCH} rows",
        f"{cost:.1f} µs ({median(without):.1f} µs without them; {median(one):.1f} µs in one COPY of all rows)",
        f"≤ {GOAL:.0f} µs",
        cost <= GOAL,
        {"cost": cost, "without": median(without), "one_copy": median(one)},
    )
