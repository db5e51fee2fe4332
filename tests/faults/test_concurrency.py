"""Several workers at once: no deadlock is visible, each event is one row, counters are exact."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import psycopg2
import pytest

from tests.support.events import bodies
from tests.support.pipeline import Pipeline, connected

INSERT = """
    INSERT INTO prompt_executions (template_id, template_name, template_version, input_variables, rendered_prompt,
        status)
    SELECT id, name, 1, '{}', '-', 'success' FROM unnest(%(ids)s::uuid[], %(names)s::text[]) AS made (id, name)
"""
CUT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
    ORDER BY random() LIMIT 1
"""


@pytest.mark.embedded_only
def test_four_workers_share_a_subscription(pipeline: Pipeline) -> None:
    """All events are of three templates, whose counters every batch of every worker updates."""
    published = bodies(8000)
    with ExitStack() as stack:
        workers = [stack.enter_context(pipeline.worker(PROMPT_WORKER_BATCH_MESSAGES="200")) for _ in range(4)]
        for worker in workers:
            worker.wait_for(lambda w: w.logs)
        pipeline.publish(published)
        pipeline.wait_for_rows(len(published))
        for worker in workers:
            assert worker.terminate()[0] == 0
        for worker in workers:
            assert worker.messages("WARNING", "ERROR") == []
            assert "deadlock" not in worker.output
        assert sum(worker.totals.get("written", 0) for worker in workers) == len(published)
        assert sum(1 for worker in workers if worker.totals.get("written")) > 1
    pipeline.assert_exact(published)
    # The columns, too: each worker folds what it counted before it ends.
    totals = pipeline.query("SELECT sum(total_executions) FROM prompt_templates")
    assert totals == [(len(published),)]
    assert pipeline.query("SELECT count(*) FROM prompt_template_deltas") == [(0,)]


@pytest.mark.embedded_only
def test_sixteen_writers_whose_connections_are_cut_count_exactly(pipeline: Pipeline) -> None:
    """Batches, folds and other programs' inserts, cut at any moment: what is not committed is not counted."""
    templates = pipeline.query("SELECT id::text, name FROM prompt_templates WHERE created_by = 'system'")
    until = time.monotonic() + 6
    cut = 0

    def work(number: int) -> None:
        chance = random.Random(number)
        mark = "SET LOCAL prompt_worker.batch = on; " if number % 4 else ""
        statement = "SELECT fold_statistics()" if number == 1 else mark + INSERT
        while time.monotonic() < until:
            with (
                suppress(psycopg2.OperationalError, psycopg2.InterfaceError),
                connected(pipeline.database) as cursor,
            ):
                while time.monotonic() < until:
                    some = [chance.choice(templates) for _ in range(10)]
                    cursor.execute(
                        statement, {"ids": [one[0] for one in some], "names": [one[1] for one in some]}
                    )

    with ThreadPoolExecutor(16) as pool:
        writers = [pool.submit(work, number) for number in range(16)]
        while time.monotonic() < until:
            cut += len(pipeline.query(CUT))
            time.sleep(0.02)
        for writer in writers:
            writer.result()
    assert cut > 50
    assert pipeline.wrong_counters() == []
    pipeline.query("SELECT fold_statistics()")
    assert pipeline.wrong_counters() == []
    rows, counted = pipeline.query(
        "SELECT (SELECT count(*) FROM prompt_executions), (SELECT sum(total_executions) FROM prompt_templates)"
    )[0]
    assert rows == counted > 1000


@pytest.mark.embedded_only
def test_workers_with_the_same_shuffled_events_write_each_once(pipeline: Pipeline) -> None:
    """Published three times, each time shuffled: as a publisher's retries and a seek do."""
    published = bodies(2000)
    for seed in range(3):
        pipeline.publish(random.Random(seed).sample(published, len(published)))
    with ExitStack() as stack:
        workers = [stack.enter_context(pipeline.worker(PROMPT_WORKER_BATCH_MESSAGES="300")) for _ in range(2)]
        pipeline.wait_for_rows(len(published))
        workers[0].wait_for(
            lambda _: sum(sum(worker.totals.values()) for worker in workers) == 3 * len(published), 20
        )
        for worker in workers:
            assert worker.terminate()[0] == 0
            assert "deadlock" not in worker.output
    outcomes = {
        name: sum(worker.totals.get(name, 0) for worker in workers) for name in ("written", "duplicate")
    }
    assert outcomes == {"written": 2000, "duplicate": 4000}
    pipeline.assert_exact(published)
    assert pipeline.dead_letters(0) == []
