"""The sweep of dead letters when there are too many for its time limit, or when it fails: the rest goes on."""

from __future__ import annotations

import json
import logging
import threading
import time

import psycopg2
import pytest

from prompt_worker.commands.cli import main
from prompt_worker.deadletters.replay.settling import settled
from prompt_worker.deadletters.sweep import BATCH, start_sweeping, sweep
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.transactions import Transactions
from tests.support.pipeline import connected, wait_until

pytestmark = pytest.mark.embedded_only

MANY = 150_000
LIMIT = "?options=-c%20statement_timeout%3D400"
# All at one moment, as after a bulk change. Every thousandth has become a row that no trigger saw.
FILL = f"""
    ALTER TABLE prompt_executions DISABLE TRIGGER trigger_resolve_executed_dead_letters;
    INSERT INTO dead_letter_events (consumer, event_key, event_id, source, error_class, reason, cause, payload,
        attributes, occurrences, first_seen, last_seen, status)
    SELECT 'executions', key, key, 'worker', '-', '-', 1, '', '{{}}', '{{1}}', now(), now(),
        (ARRAY['pending', 'discarded'])[1 + n % 2]
    FROM generate_series(1, {MANY}) AS n CROSS JOIN LATERAL CAST(md5(n::text) AS uuid) AS key;
    INSERT INTO prompt_executions
        (id, template_id, template_name, template_version, input_variables, rendered_prompt, status)
    SELECT md5((n * 1000)::text)::uuid, t.id, t.name, t.version, '{{}}', '-', 'success'
    FROM generate_series(1, {MANY} / 1000) AS n CROSS JOIN (SELECT * FROM prompt_templates LIMIT 1) AS t
"""
RESOLVED = "SELECT count(*) FROM dead_letter_events WHERE status = 'resolved'"


def query(database: str, statement: str) -> list[tuple[object, ...]]:
    with connected(database) as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def transactions(database: str) -> Transactions:
    return Transactions(connect(database, application_name="test"), threading.Event())


def test_sweep_of_very_many_ends_within_its_time_limit(database: str) -> None:
    query(database, FILL)
    started = time.monotonic()
    assert sweep(transactions(database + LIMIT), lambda: True) == MANY
    print(f"{MANY} swept in {time.monotonic() - started:.1f} s")
    assert query(database, RESOLVED) == [(MANY // 1000,)]
    # Once more: those that changed within the last minute, and then for good.
    query(database, "UPDATE dead_letter_sweep SET swept_at = now() + interval '1 hour'")
    assert sweep(transactions(database + LIMIT), lambda: True) == 0


def test_interrupted_sweep_goes_on_where_it_was(database: str) -> None:
    query(database, FILL)
    turns = iter([True, True, False])
    assert sweep(transactions(database), lambda: next(turns)) == 2 * BATCH
    assert sweep(transactions(database), lambda: True) == MANY - 2 * BATCH
    assert query(database, RESOLVED) == [(MANY // 1000,)]


def test_letter_passed_before_its_row_is_committed_is_swept(database: str) -> None:
    """The row is committed after its dead letter was checked, while the sweep is still under way."""
    query(database, FILL)
    with psycopg2.connect(database) as writing:
        writing.cursor().execute(
            "INSERT INTO prompt_executions (id, template_id, template_name, template_version, input_variables, "
            "rendered_prompt, status) SELECT event_id, t.id, t.name, t.version, '{}', '-', 'success' FROM "
            "prompt_templates AS t, (SELECT event_id FROM dead_letter_events ORDER BY changed_at, id LIMIT 1) AS first "
            "LIMIT 1 ON CONFLICT DO NOTHING"
        )
        turns = iter([True, False])
        sweep(transactions(database), lambda: next(turns))
    writing.close()
    sweep(transactions(database), lambda: True)
    sweep(transactions(database), lambda: True)
    left = (
        "SELECT count(*) FROM dead_letter_events d JOIN prompt_executions e ON e.id = d.event_id "
        "WHERE d.status <> 'resolved'"
    )
    assert query(database, left) == [(0,)]


def test_failing_sweep_is_logged_each_time(database: str, caplog: pytest.LogCaptureFixture) -> None:
    query(database, FAIL)
    stop = threading.Event()
    with caplog.at_level(logging.INFO):
        thread = start_sweeping(transactions(database), stop)
        wait_until(lambda: caplog.messages, 60, lambda: "nothing was logged")
        stop.set()
        thread.join(30)
    assert "dead letters were not swept: query canceled (57014)" in caplog.messages[0]


FAIL = """
    CREATE OR REPLACE FUNCTION sweep_dead_letters(most integer, OUT checked integer, OUT resolved integer)
    LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'too slow' USING ERRCODE = 'query_canceled'; END $$
"""


@pytest.mark.parametrize("command", ["list", "summary", "show"])
def test_reading_goes_on_when_the_sweep_fails(
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    command: str,
) -> None:
    query(database, FILL.replace(str(MANY), "1000"))
    query(database, FAIL)
    ((id_,),) = query(database, "SELECT id::text FROM dead_letter_events LIMIT 1")
    monkeypatch.setenv("DATABASE_URL", database)
    assert main(["dead-letters", command, "--json", *([str(id_)] if command == "show" else [])]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])
    assert "dead letters were not swept, statuses may be some seconds old" in caplog.text


def test_replay_is_followed_when_the_sweep_fails(database: str) -> None:
    query(database, FAIL)
    ((id_,),) = query(database, "SELECT gen_random_uuid()")
    found = settled(Session(connect(database, application_name="test")), id_)  # type: ignore[arg-type]
    assert (found.resolved, found.failed, found.waiting) == (0, 0, 0)


def test_listing_works_on_a_read_only_standby(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    query(database, FILL.replace(str(MANY), "1000"))
    monkeypatch.setenv("DATABASE_URL", f"{database}?options=-c%20default_transaction_read_only%3Don")
    assert main(["dead-letters", "list", "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 50
