"""The drain into a large table against the same drain into a small one."""

from __future__ import annotations

from tests.benchmarks.broker import Backlog
from tests.benchmarks.draining import drain
from tests.benchmarks.events import bodies
from tests.benchmarks.services import Database, Services
from tests.benchmarks.stage import Report
from tests.benchmarks.table import Row

SMALL = 100_000
STEP = 100_000
GOAL = 0.95
_PATTERN = "bench_pattern"
# The pattern's rows under new ids and with new times, as if they had come in one after the other until now.
_FILL = """
    INSERT INTO prompt_executions (id, request_id, executed_at, {others})
    SELECT uuid_v7(), gen_random_uuid(), clock_timestamp(), {others} FROM bench_pattern LIMIT %s
"""


def measure(services: Services, database: Database, events: int, rows: int, report: Report) -> Row:
    rates = []
    database.empty()
    _drain(services, database, events)
    database.execute(f"CREATE TABLE {_PATTERN} AS SELECT * FROM prompt_executions")
    for size in (SMALL, rows):
        _fill(database, size, report)
        report(f"draining {events:,} events into {size:,} rows")
        rates.append(_drain(services, database, events))
    database.execute(f"DROP TABLE {_PATTERN}")
    ratio = rates[1] / rates[0]
    return Row(
        f"rate at {rows:,} rows against the rate at {SMALL:,}",
        f"{ratio:.2f} ({rates[1]:,.0f} against {rates[0]:,.0f} events/s)",
        f"≥ {GOAL:.2f}",
        ratio >= GOAL,
        {"ratio": ratio, "rate_small": rates[0], "rate_large": rates[1]},
    )


def _drain(services: Services, database: Database, events: int) -> float:
    """Events made now: their ids follow those that the table holds."""
    backlog = Backlog(services.emulator.host)
    backlog.publish(bodies(events, database.templates()))
    rate = drain(services, database, backlog).rate
    backlog.delete()
    return rate


def _fill(database: Database, size: int, report: Report) -> None:
    made = ("id", "request_id", "executed_at")
    columns = database.execute(
        "SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0",
        (_PATTERN,),
    )
    others = ", ".join(str(name) for (name,) in columns if name not in made)
    [(present,)] = database.execute("SELECT count(*)::integer FROM prompt_executions")
    assert isinstance(present, int)
    while present < size:
        report(f"filling the table: {present:,} of {size:,} rows")
        database.execute(_FILL.format(others=others), (min(STEP, size - present),))
        [(present,)] = database.execute("SELECT count(*)::integer FROM prompt_executions")
        assert isinstance(present, int)
    database.execute("VACUUM ANALYZE prompt_executions")
    database.execute("CHECKPOINT")
