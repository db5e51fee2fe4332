"""Experiments: what a look costs for each million rows, the history of many looks, and where to look next."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from sqlalchemy import Engine

from prompt_worker.experiments.listing import list_looks, show_experiment
from prompt_worker.experiments.looking import look_at
from prompt_worker.experiments.suggesting import ROWS, suggest
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.session import Session
from tests.benchmarks.services import Database, Services, VoidError, session
from tests.benchmarks.stage import Report
from tests.benchmarks.table import Row
from tests.support.experimenting import add_experiment, add_versions

EXECUTIONS, CALLS_A_UNIT, LOOKS = 1_000_000, 10, 10_000
LOOK_GOAL, HISTORY_GOAL = 0.5, 0.1
REPEATS = 3
PROTECTED = ("cost_usd", "execution_time_ms")
# Made without triggers and other indexes, which no look reads. Rows are narrow: what a look reads is an index. Each
# call is of any unit, so that no two calls of one are near each other: the dearest order that there is.
UNITS = """
CREATE TEMP TABLE bench_units AS
SELECT k, a.unit, a.arm, (e.arms ->> a.arm)::uuid AS template
FROM ab_test_experiments e
JOIN ab_test_phases p ON p.experiment_id = e.id
CROSS JOIN generate_series(0, %(units)s - 1) k
CROSS JOIN LATERAL (SELECT 'user-' || lpad(k::text, 12, '0') AS unit) u
CROSS JOIN LATERAL (SELECT u.unit, assigned_arm(p.ranges, assignment_bucket(p.seed, u.unit)) AS arm) a
"""
FILL = """
INSERT INTO prompt_executions (id, template_id, template_name, template_version, ab_test_group, request_id,
    input_variables, rendered_prompt, execution_time_ms, token_count, cost_usd, status, guardrail_action, executed_at,
    environment, experiment_id, experiment_phase, assignment_unit, prompt_source, attempt)
SELECT uuid_v7(), u.template, e.template_name, t.version, u.arm, gen_random_uuid(), '{}', 'p',
       100 + (random() * random() * 4000)::integer, 10 + (random() * 900)::integer,
       round((random() * 0.05)::numeric, 6), CASE WHEN random() < 0.8 THEN 'success' ELSE 'failure' END, 'allow',
       e.actual_start_date + n * interval '12 days' / %(rows)s, 'production', e.id, 1, u.unit, 'live', 1
FROM (SELECT n, (random() * (%(units)s - 1))::integer AS k FROM generate_series(1, %(rows)s) n) c
JOIN bench_units u ON u.k = c.k
JOIN prompt_templates t ON t.id = u.template
CROSS JOIN ab_test_experiments e
"""
INDEXES = """
SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = 'prompt_executions'::regclass AND NOT i.indisprimary AND c.relname !~ '(ab_test|executed)$'
"""
HISTORY = """
INSERT INTO ab_test_looks (experiment_id, phase, looked_at, planned, verdict, reason, units, ratio_p, intervals,
                           numbers)
SELECT id, 1, now() + n * interval '1 minute', false, 'collecting', 'r', n, 1,
       jsonb_build_object('variant_a', jsonb_build_array(0.1, -1000.0 / n, 0.2 + 1000.0 / n)),
       jsonb_build_object('text', repeat('x', 1500))
FROM ab_test_experiments, generate_series(1, %s) n
"""


def measure(services: Services, report: Report) -> Iterator[Row]:
    database = services.new_database("bench_experiments").migrate()
    engine = connect(database.url, application_name="bench experiments", statement_timeout_ms=0)
    try:
        _fill(database, engine, report)
        report("looking")
        yield from _looks(services, Session(engine))
        yield _history(database, Session(engine))
        report("where to look next")
        yield _suggestion(services, Session(engine))
    finally:
        engine.dispose()
        services.drop("bench_experiments")


def _fill(database: Database, engine: Engine, report: Report) -> None:
    report(f"making {EXECUTIONS:,} executions of an experiment")
    add_versions(engine)
    [(start,)] = database.execute("SELECT now() - interval '13 days'")
    add_experiment(engine, actual_start_date=start, protected_metrics=json.dumps(PROTECTED))
    sizes = {"units": EXECUTIONS // CALLS_A_UNIT, "rows": EXECUTIONS}
    with session(database.url) as filling, filling.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica; SET work_mem = '256MB'")
        cursor.execute(INDEXES)
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP INDEX {name}")
        cursor.execute(UNITS, sizes)
        cursor.execute("ANALYZE bench_units")
        cursor.execute(FILL, sizes)
        cursor.execute("VACUUM (ANALYZE) prompt_executions")


def _looks(services: Services, session: Session) -> Iterator[Row]:
    seconds, cpu, found = _taken(services, lambda: look_at(session, "wording"))
    if found.look is None or sum(found.look.evidence.rows.values()) != EXECUTIONS:
        raise VoidError("a look did not count every execution")
    shown, shown_cpu, audited = _taken(services, lambda: show_experiment(session, "wording"))
    if [(each.executions, each.wrong) for each in audited.audit] != [(EXECUTIONS, 0)]:
        raise VoidError("an execution was not served as assigned")
    per_million = cpu / EXECUTIONS * 1e6
    yield Row(
        f"a look at {EXECUTIONS:,} executions of {EXECUTIONS // CALLS_A_UNIT:,} units by {1 + len(PROTECTED)} metrics",
        f"{cpu:.2f} s of PostgreSQL's CPU ({per_million:.2f} a million), {seconds:.2f} s; "
        f"`experiments show` with its audit {shown:.2f} s ({shown_cpu:.2f} of CPU)",
        f"≤ {LOOK_GOAL} s of CPU a million",
        per_million <= LOOK_GOAL,
        {"seconds": seconds, "cpu_seconds": cpu, "show_seconds": shown, "show_cpu_seconds": shown_cpu},
    )


def _history(database: Database, session: Session) -> Row:
    database.execute(HISTORY, (LOOKS,))
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        _, looks = list_looks(session, "wording")
        taken.append(time.perf_counter() - started)
    if len(looks) < LOOKS:
        raise VoidError(f"{len(looks)} looks of {LOOKS}")
    seconds = median(taken)
    return Row(
        f"the history of {LOOKS:,} looks, as `experiments looks` reads it",
        f"{seconds * 1e3:.0f} ms (the slowest of {len(taken)}: {max(taken) * 1e3:.0f} ms)",
        f"≤ {HISTORY_GOAL * 1e3:.0f} ms",
        seconds <= HISTORY_GOAL,
        {"seconds": seconds, "slowest_seconds": max(taken)},
    )


def _suggestion(services: Services, session: Session) -> Row:
    seconds, cpu, found = _taken(services, lambda: suggest(session))
    if not found.is_cut or found.read != ROWS:
        raise VoidError(f"{found.read} executions of {ROWS}")
    return Row(
        f"`experiments suggest` in a table of {EXECUTIONS:,} executions: it reads the newest {ROWS:,}",
        f"{seconds:.2f} s ({cpu:.2f} s of PostgreSQL's CPU)",
        figures={"seconds": seconds, "cpu_seconds": cpu},
    )


def _taken(services: Services, work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Clock seconds and PostgreSQL's CPU, each the median of a few; and what the last returned."""
    readings = []
    for _ in range(REPEATS):
        before = services.read()
        found = work()
        readings.append(services.read() - before)
    return median(each.clock for each in readings), median(each.postgres for each in readings), found
