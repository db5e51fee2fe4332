"""A replay that is killed, run twice, edited into, or left without broker or database loses nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from prompt_worker.deadletters.replay.selection import BATCH
from prompt_worker.local.servers.postgres import Postgres
from tests.support.events import bodies, body, event, id_of
from tests.support.pipeline import Pipeline, wait_until
from tests.support.replaying import create_template, letter, sent, statuses, store
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.embedded_only

Command = Callable[..., str]
REPLAY = ("dead-letters", "replay", "--yes")
MEGABYTE = 1_000_000


@pytest.fixture
def letters(pipeline: Pipeline) -> list[bytes]:
    """2,000 dead letters whose template exists by now."""
    broken = [body(template_name="made-later") for _ in range(2000)]
    store(pipeline.database, [letter(one) for one in broken])
    create_template(pipeline, "made-later")
    return broken


def replayed(pipeline: Pipeline) -> int:
    ((number,),) = pipeline.query("SELECT count(*) FROM dead_letter_events WHERE replay_count > 0")
    return int(number)


def under_way(pipeline: Pipeline, replay: WorkerProcess, at_least: int = 200) -> None:
    """Returns once the replay has sent some and not all."""
    wait_until(lambda: replayed(pipeline) >= at_least, 60, lambda: replay.output)
    assert replay.running
    assert replayed(pipeline) < 2000


def test_replay_killed_half_way_continues_where_it_stopped(
    pipeline: Pipeline, prompt_worker: Command, letters: list[bytes]
) -> None:
    with pipeline.worker() as worker:
        with pipeline.command(*REPLAY, "--rate", "300") as replay:
            under_way(pipeline, replay)
            replay.kill()
        before = replayed(pipeline)
        printed = prompt_worker(*REPLAY)
        assert f"{2000 - before:,} sent: {2000 - before:,} resolved" in printed
        assert statuses(pipeline) == {"resolved": 2000}
        assert worker.terminate()[0] == 0
    pipeline.assert_exact(letters)
    # Sent twice: at most the batch that was published when it died.
    assert worker.totals["written"] == 2000
    assert worker.totals.get("duplicate", 0) <= BATCH
    (second, first) = map(json.loads, prompt_worker("dead-letters", "history", "--json").splitlines())
    assert (first["ended_at"], first["counts"]) == (None, {"sent": before})
    assert second["counts"] == {"sent": 2000 - before}


def test_concurrent_replays_send_each_event_once(pipeline: Pipeline, letters: list[bytes]) -> None:
    with (
        pipeline.command(*REPLAY, "--wait", "0", "--by", "ada") as ada,
        pipeline.command(*REPLAY, "--wait", "0", "--by", "grace") as grace,
    ):
        assert (ada.wait(30), grace.wait(30)) == (0, 0)
    times = Counter(id_of(message.data) for message in sent(pipeline, 2000))
    assert times == Counter(id_of(one) for one in letters)
    assert pipeline.query("SELECT DISTINCT replay_count FROM dead_letter_events") == [(1,)]
    assert pipeline.query("SELECT count(*), count(DISTINCT dead_letter_id) FROM dead_letter_outcomes") == [
        (2000, 2000)
    ]


@pytest.mark.usefixtures("letters")
def test_letter_edited_during_a_replay_is_sent_as_corrected(
    pipeline: Pipeline, prompt_worker: Command
) -> None:
    (first, _), *_, (last, event_id) = pipeline.query(
        "SELECT id::text, event_id::text FROM dead_letter_events ORDER BY id"
    )
    with pipeline.command(*REPLAY, "--rate", "500", "--wait", "0") as replay:
        under_way(pipeline, replay)
        prompt_worker("dead-letters", "edit", last, "--set", "session_id=corrected")
        refused = prompt_worker("dead-letters", "edit", first, "--set", "session_id=too-late", code=65)
        assert "was sent and is not settled yet" in refused
        assert replay.wait(30) == 0
    assert len(sent(pipeline, 1999)) == 1999
    prompt_worker(*REPLAY, "--wait", "0")
    (corrected,) = sent(pipeline, 1)
    assert json.loads(corrected.data)["session_id"] == "corrected"
    assert id_of(corrected.data) == UUID(event_id)


@pytest.fixture
def no_broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:9")
    yield
    monkeypatch.undo()


@pytest.mark.usefixtures("letters", "no_broker")
def test_replay_without_a_broker_marks_nothing(pipeline: Pipeline, prompt_worker: Command) -> None:
    printed = prompt_worker(*REPLAY, code=69)
    assert "Pub/Sub does not accept the events" in printed
    assert "prompt-worker doctor" in printed
    assert statuses(pipeline) == {"pending": 2000}
    assert pipeline.query("SELECT * FROM dead_letter_outcomes") == []


@pytest.mark.usefixtures("letters")
def test_replay_without_the_topic_marks_nothing(pipeline: Pipeline, prompt_worker: Command) -> None:
    pipeline.publisher.delete_topic(topic=pipeline.topology.topic_path(pipeline.topology.names.topic))
    assert "NotFound" in prompt_worker(*REPLAY, code=69)
    assert statuses(pipeline) == {"pending": 2000}


def test_replay_ends_in_words_when_the_database_goes_down(
    pipeline: Pipeline, prompt_worker: Command, postgres: Postgres, letters: list[bytes]
) -> None:
    with pipeline.command(*REPLAY, "--rate", "300") as replay:
        under_way(pipeline, replay)
        postgres.stop("immediate")
        assert replay.wait(30) == 69
        assert "The database failed" in replay.output
        assert "run the command again" in replay.output
        assert "Traceback" not in replay.output
    postgres.start()
    with pipeline.worker() as worker:
        prompt_worker(*REPLAY)
        # What was published and could not be marked any more is resolved by its row.
        wait_until(lambda: statuses(pipeline) == {"resolved": 2000}, 60, lambda: str(statuses(pipeline)))
        assert worker.terminate()[0] == 0
    pipeline.assert_exact(letters)


def test_replay_without_a_database_sends_nothing(
    pipeline: Pipeline, prompt_worker: Command, postgres: Postgres
) -> None:
    postgres.stop("fast")
    assert "No connection to the database" in prompt_worker(*REPLAY, code=69)
    postgres.start()
    assert sent(pipeline, 0) == []


@pytest.mark.usefixtures("letters")
def test_ctrl_c_stops_a_replay_between_two_batches(pipeline: Pipeline, prompt_worker: Command) -> None:
    with pipeline.command(*REPLAY, "--rate", "300") as replay:
        under_way(pipeline, replay)
        os.kill(replay.pid, signal.SIGINT)
        assert replay.wait(30) == 130
    printed = re.search(r"stopped: ([\d,]+) of 2,000 sent", replay.output)
    assert printed, replay.output
    before = int(printed[1].replace(",", ""))
    assert replayed(pipeline) == before == len(sent(pipeline, before))
    prompt_worker(*REPLAY, "--wait", "0")
    assert len(sent(pipeline, 2000 - before)) == 2000 - before


def test_old_unsettled_events_slow_a_replay_down(pipeline: Pipeline, letters: list[bytes]) -> None:
    """Nobody reads the subscription, so the oldest event sent grows old."""
    with pipeline.command(*REPLAY, "--rate", "400", "--oldest", "1", "--wait", "0") as replay:
        under_way(pipeline, replay)
        with pytest.raises(AssertionError, match="after 8 s"):  # 400 a second would have sent all by then
            wait_until(lambda: replayed(pipeline) == 2000, 8, lambda: "not all are sent")
        with pipeline.worker():
            replay.wait_for(lambda _: replayed(pipeline) == 2000, 60)
            pipeline.wait_for_rows(2000)
    assert pipeline.ids() == {id_of(one) for one in letters}


def test_replay_of_twenty_thousand_has_flat_memory(pipeline: Pipeline) -> None:
    store(pipeline.database, [letter(one) for one in bodies(1000)])
    # The database itself makes the other nineteen thousand.
    columns = "consumer, source, error_class, reason, cause, attributes, occurrences, first_seen, last_seen"
    pipeline.query(
        "WITH made AS MATERIALIZED (SELECT uuid_v7() AS new, d.* FROM dead_letter_events d, generate_series(1, 19)) "
        f"INSERT INTO dead_letter_events (event_key, event_id, payload, {columns}) SELECT new, new, "
        f"convert_to(replace(convert_from(payload, 'UTF8'), event_id::text, new::text), 'UTF8'), {columns} FROM made"
    )
    pipeline.warm = False
    for arguments in (["dead-letters", "replay"], [*REPLAY, "--wait", "0"]):
        with pipeline.command(*arguments) as process:
            usage: list[int] = []
            while process.running:
                usage.append(process.rss)
                time.sleep(0.01)
            assert process.wait() == 0, process.output
        half = len(usage) // 2
        assert "20,000" in process.output
        assert max(usage[half:]) - max(usage[:half]) < 10 * MEGABYTE
    assert replayed(pipeline) == 20_000


def test_edited_dead_letter_is_written_as_corrected(pipeline: Pipeline, prompt_worker: Command) -> None:
    """From a refused event to its row."""
    refused = event(execution_time_ms=-5)
    store(pipeline.database, [letter(json.dumps(refused).encode(), "invalid_field", "Expected `int` >= 0")])
    ((id_,),) = pipeline.query("SELECT id FROM dead_letter_events")
    prompt_worker("dead-letters", "edit", str(id_), "--set", "execution_time_ms=5")
    with pipeline.worker():
        assert "1 sent: 1 resolved" in prompt_worker(*REPLAY)
    assert pipeline.query("SELECT id, execution_time_ms FROM prompt_executions") == [
        (str(UUID(refused["event_id"])), 5)
    ]
    assert statuses(pipeline) == {"discarded": 1, "resolved": 1}


def test_dry_run_of_one_event_with_an_unknown_error_answers(
    pipeline: Pipeline, prompt_worker: Command
) -> None:
    """Alone it does not show whether the error is its own, and a dry run must not wait for another one to show it."""
    pipeline.query(
        "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;"
        "CREATE TRIGGER theirs BEFORE INSERT ON prompt_executions FOR EACH ROW WHEN (NEW.user_id = 'poison') "
        "EXECUTE FUNCTION theirs()"
    )
    reason = "raise exception (P0001)"
    store(pipeline.database, [letter(body(user_id="poison"), "unknown_error", reason)])
    printed = prompt_worker("dead-letters", "replay")
    assert f"would fail again, unless the server is what fails: unknown_error: {reason}" in printed
    assert "1 events: 1 would fail again. Dry run: nothing sent" in printed
    # Beside one that is written it is known.
    store(pipeline.database, [letter(body())])
    printed = prompt_worker("dead-letters", "replay")
    assert "would fail again, for the same reason" in printed
    assert "2 events: 1 would be written, 1 would fail again" in printed
