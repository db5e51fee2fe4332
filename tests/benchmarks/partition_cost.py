"""What partitions cost: the same COPY, one worker's batch after the other, into a month and into a table of its own.

In pairs within a minute, whichever is first taking turns. The other table is a month that was never attached: the same
columns, indexes, foreign key and triggers, and no parent. Judged by PostgreSQL's CPU, which other programs disturb less
than its time.
"""

from __future__ import annotations

from io import BytesIO
from statistics import median

from prompt_worker.platform.postgres.binary_copy import HEADER, TRAILER
from prompt_worker.platform.postgres.statements import statement
from tests.benchmarks.bounds import Cost
from tests.benchmarks.events import rows_of
from tests.benchmarks.services import Database, VoidError, session
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import Row

BATCH = 500
PAIRS = 3  # a turn
GOAL = 0.05
ALONE = "bench_alone"
_WRITE = statement("prompt_worker.executions.writer", "write_executions")


def measure(stage: Stage, turns: int) -> Row:
    month = stage.database.month()
    batches = in_batches(stage)
    _make_alone(stage.database, month)
    write_batches(stage, month, batches)
    write_batches(stage, ALONE, batches)
    costs, times = [], []
    for pair in range(turns * PAIRS):
        stage.report(f"partition cost, pair {pair + 1} of {turns * PAIRS}")
        order = (month, ALONE) if pair % 2 else (ALONE, month)
        cost = {table: write_batches(stage, table, batches) for table in order}
        costs.append(cost[month].cpu / cost[ALONE].cpu - 1)
        times.append(cost[month].seconds / cost[ALONE].seconds - 1)
    stage.database.execute(f"DROP TABLE {ALONE}")
    middle = median(costs)
    return Row(
        f"the same COPY of {BATCH} rows at a time into a month and into a table without partitions, "
        f"{len(costs)} pairs",
        f"{middle:+.1%} of PostgreSQL's CPU ({min(costs):+.1%} to {max(costs):+.1%}); {median(times):+.1%} of time",
        f"≤ {GOAL:.0%}",
        middle <= GOAL,
        {"cost": middle, "least": min(costs), "most": max(costs), "of_time": median(times)},
    )


def in_batches(stage: Stage) -> list[bytes]:
    rows = rows_of(stage.messages)
    return [b"".join([HEADER, *rows[start : start + BATCH], TRAILER]) for start in range(0, len(rows), BATCH)]


def _make_alone(database: Database, month: str) -> None:
    database.execute(f"CREATE TABLE {ALONE} (LIKE {month} INCLUDING ALL)")
    for (definition,) in database.execute(
        """
        SELECT format('ALTER TABLE bench_alone ADD %%s', pg_get_constraintdef(oid))
        FROM pg_constraint WHERE conrelid = %(month)s::regclass AND contype = 'f'
        UNION ALL
        SELECT replace(pg_get_triggerdef(oid), ' ON ' || %(month)s, ' ON bench_alone')
        FROM pg_trigger WHERE tgrelid = %(month)s::regclass AND NOT tgisinternal AND tgname <> 'trigger_refuse_detached'
        """,
        {"month": month},  # type: ignore[arg-type]
    ):
        database.execute(str(definition))


def write_batches(stage: Stage, table: str, batches: list[bytes]) -> Cost:
    """Of all of them, each committed, into an empty table."""
    database = stage.database
    database.empty()
    database.execute(f"TRUNCATE {table}")
    copy = _WRITE.replace("COPY prompt_executions (", f"COPY {table} (")
    with session(database.url) as writing, writing.cursor() as cursor:
        writing.autocommit = False
        start = stage.services.read()
        for batch in batches:
            cursor.copy_expert(copy, BytesIO(batch), size=1 << 20)
            writing.commit()
        used = stage.services.read() - start
    [(stored,)] = database.execute(f"SELECT count(*) FROM {table}")
    if stored != len(stage.messages):
        raise VoidError(f"{stored} rows of {len(stage.messages)} in {table}")
    return Cost(stored, used.clock, used.postgres)
