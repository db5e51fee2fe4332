"""The rate into tables of several sizes: a worker's drain, and its write path alone, which no broker slows down.

Each size is a database of its own, and they take turns: a machine that becomes slower does so for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from tests.benchmarks import write_path
from tests.benchmarks.broker import Backlog
from tests.benchmarks.draining import drain
from tests.benchmarks.events import bodies
from tests.benchmarks.services import Database, Services, session
from tests.benchmarks.stage import Report
from tests.benchmarks.table import Row

SMALL = EVENTS = 100_000
GOAL = 0.95
# The rows under new ids and with new times, as if they had come in one after the other until now.
_FILL = """
    INSERT INTO prompt_executions (id, request_id, executed_at, {others})
    SELECT uuid_v7(), gen_random_uuid(), clock_timestamp(), {others} FROM bench_pattern LIMIT %s
"""


def measure(services: Services, sizes: Sequence[int], turns: int, report: Report) -> Iterator[Row]:
    """A turn adds 100,000 rows twice to each table, which is larger by that in the next turn."""
    databases = {size: _filled(services, size, report) for size in (SMALL, *sizes)}
    drained: dict[int, list[float]] = {size: [] for size in databases}
    written: dict[int, list[float]] = {size: [] for size in databases}
    for turn in range(1, turns + 1):
        for size, database in databases.items():
            report(f"turn {turn} of {turns}: {EVENTS:,} events into {size:,} rows")
            written[size].append(_write(database))
            drained[size].append(_drain(services, database))
    for size in sizes:
        yield _row(size, drained, written)


def _row(size: int, drained: dict[int, list[float]], written: dict[int, list[float]]) -> Row:
    (drain_small, drain_large), (write_small, write_large) = (
        (median(rates[SMALL]), median(rates[size])) for rates in (drained, written)
    )
    ratio, of_writing = drain_large / drain_small, write_large / write_small
    return Row(
        f"rate at {size:,} rows against the rate at {SMALL:,}",
        f"{ratio:.2f} ({drain_large:,.0f} against {drain_small:,.0f} events/s); the write path alone "
        f"{of_writing:.2f} ({write_large:,.0f} against {write_small:,.0f})",
        f"≥ {GOAL:.2f}",
        ratio >= GOAL,
        {
            "ratio": ratio,
            "rate_small": drain_small,
            "rate_large": drain_large,
            "write_ratio": of_writing,
            "write_small": write_small,
            "write_large": write_large,
        },
    )


def _write(database: Database) -> float:
    made = bodies(EVENTS, database.templates())
    return write_path.write(database, made, max(write_path.THREADS), before=database.rows())


def _drain(services: Services, database: Database) -> float:
    """Events made now: their ids follow those that the table holds."""
    backlog = Backlog(services.emulator.host)
    backlog.publish(bodies(EVENTS, database.templates()))
    rate = drain(services, database, backlog).rate
    backlog.delete()
    return rate


def _filled(services: Services, size: int, report: Report) -> Database:
    report(f"making a database of {size:,} rows")
    database = services.new_database(f"bench_rows_{size}").migrate()
    write_path.write(database, bodies(SMALL, database.templates()), 1)
    database.execute("CREATE TABLE bench_pattern AS SELECT * FROM prompt_executions")
    made = ("id", "request_id", "executed_at")
    columns = database.execute(
        "SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = 'bench_pattern'::regclass AND attnum > 0"
    )
    fill = _FILL.format(others=", ".join(str(name) for (name,) in columns if name not in made))
    with session(database.url) as filling, filling.cursor() as cursor:
        # Neither triggers nor foreign keys: rows that are right, in less time.
        cursor.execute("SET session_replication_role = replica")
        for left in range(size - SMALL, 0, -SMALL):
            cursor.execute(fill, (min(left, SMALL),))
    database.execute("SELECT rebuild_template_statistics(id) FROM prompt_templates")
    for statement in ("DROP TABLE bench_pattern", "VACUUM ANALYZE", "CHECKPOINT"):
        database.execute(statement)
    return database
