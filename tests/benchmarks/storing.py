"""Dead letters: stored by the worker from a backlog, and a million of them summed up by the command's own query."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from statistics import median

from prompt_worker.deadletters.filters import Filter
from prompt_worker.deadletters.summary import summarize
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.session import Session
from tests.benchmarks.broker import Backlog
from tests.benchmarks.events import bodies
from tests.benchmarks.services import Database, Services, VoidError
from tests.benchmarks.stage import Report
from tests.benchmarks.table import Row
from tests.benchmarks.worker_process import worker

CHECK_SECONDS = 0.04
STALLED_SECONDS = 120.0
FLAT = 1.1
STORING_GOAL, SUMMARY_GOAL = 5_000, 1.0
REASONS = 20
REPEATS = 5
# With bodies and attributes beside the table, as real ones are: a summary reads neither.
FILL = """
INSERT INTO dead_letter_events (consumer, event_key, event_id, source, subscription, error_class, reason, cause,
    template_name, environment, payload, attributes, occurrences, first_seen, last_seen, status)
SELECT 'executions', id, id, 'worker', 'prompt-executions-writer', 'unknown_template',
    'no template t version ' || n %% 20, n %% 20, 't', 'production', '-', '{}', ARRAY[n::text],
    now() - n * interval '1 s', now() - n * interval '1 s',
    (ARRAY['pending', 'replayed', 'resolved', 'discarded'])[1 + n %% 4]
FROM (SELECT n, uuid_v7() AS id FROM generate_series(1, %s) n) made
"""


def measure(
    services: Services, database: Database, letters: int, summed_up: int, report: Report
) -> Iterator[Row]:
    yield _storing(services, database, letters, report)
    yield _summary(database, summed_up, report)


def _storing(services: Services, database: Database, letters: int, report: Report) -> Row:
    report(f"publishing {letters:,} dead letters")
    backlog = Backlog(services.emulator.host, ("dead_letter_store",))
    backlog.publish(bodies(letters, database.templates()), _attributes())
    report("storing them")
    rates, cpu, half, late = drain(database, backlog, "dead-letters", "dead_letter_events")
    backlog.delete()
    rate = median(rates)
    return Row(
        f"storing {letters:,} dead letters, published → row",
        f"{rate:,.0f}/s; {cpu:.0f} µs of the worker's CPU each; "
        f"{half / 1e6:.0f} MB at half, {late / 1e6:.0f} at the end",
        f"≥ {STORING_GOAL:,}/s, flat memory",
        rate >= STORING_GOAL and late <= half * FLAT,
        {"rate": rate, "worker_us": cpu, "half_mb": half / 1e6, "late_mb": late / 1e6},
    )


def _attributes() -> Iterator[dict[str, str]]:
    """As the execution worker gives them."""
    for number in count():
        yield {
            "dead-letter-error-class": "unknown_template",
            "dead-letter-reason": f"no template t version {number % REASONS}",
            "dead-letter-source": "prompt-executions-writer",
            "dead-letter-message-id": str(number),
            "dead-letter-first-seen": "2026-05-06T07:00:00+00:00",
            "dead-letter-last-seen": "2026-05-06T07:08:00+00:00",
        }


def drain(
    database: Database, backlog: Backlog, consumer: str, table: str
) -> tuple[list[float], float, int, int]:
    """Rows of `table` a second, three times; then the last time's CPU µs an event, and bytes at half and at the end."""
    rates, half, late, cpu = [], 0, 0, 0.0
    for _ in range(3):
        database.execute(f"TRUNCATE {table}")
        child = worker(database.url, backlog.topology.project, consumer)
        with child:
            child.wait_until_idle()
            before = child.cpu()
            backlog.refill()
            started = time.perf_counter()
            stored = half = 0
            while stored < backlog.size:
                child.check()
                if time.perf_counter() - started > STALLED_SECONDS:
                    raise VoidError(f"{stored} of {backlog.size} rows are in {table}")
                time.sleep(CHECK_SECONDS)
                [(stored,)] = database.execute(f"SELECT count(*) FROM {table}")
                late = child.memory()
                half = half or (late if stored >= backlog.size / 2 else 0)
            rates.append(backlog.size / (time.perf_counter() - started))
            cpu = (child.cpu() - before) / backlog.size * 1e6
        child.forget()
        backlog.clear()
    return rates, cpu, half, late


def _summary(database: Database, number: int, report: Report) -> Row:
    report(f"making {number:,} dead letters")
    database.execute("TRUNCATE dead_letter_events")
    database.execute(FILL, (number,))
    database.execute("VACUUM ANALYZE dead_letter_events")
    database.execute("UPDATE dead_letter_sweep SET swept_at = now() + interval '2 minutes'")
    report("summing them up")
    engine = connect(database.url, application_name="bench summary")
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        found = summarize(Session(engine), Filter())
        taken.append(time.perf_counter() - started)
        if (found.total, found.causes) != (number, min(number, REASONS)):
            raise VoidError(f"{found.total} dead letters of {found.causes} causes")
    engine.dispose()
    database.execute("TRUNCATE dead_letter_events")
    seconds = median(taken)
    return Row(
        f"summary of {number:,} dead letters",
        f"{seconds:.2f} s (the slowest of {REPEATS}: {max(taken):.2f} s)",
        "< 1 s",
        seconds < SUMMARY_GOAL,
        {"seconds": seconds, "slowest_seconds": max(taken)},
    )
