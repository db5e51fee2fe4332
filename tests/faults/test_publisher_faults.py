"""Pub/Sub unavailable, hanging, or back; disks full; processes killed: the caller never waits, every loss is logged."""

from __future__ import annotations

import logging
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from uuid import UUID

import psutil
import pytest

from prompt_worker import Publisher
from prompt_worker.event.execution import ExecutionEvent
from prompt_worker.local.servers.emulator import Emulator
from prompt_worker.publishing.errors import NotPublishedError
from prompt_worker.publishing.publisher import SPOOLED
from prompt_worker.publishing.spool.spool import Spool
from tests.support.timing import LATE
from tests.support.topic import Topic, an_event

# A busy machine may hold a call up that long, but each wait for Pub/Sub here is longer: 4 s and more.
BLOCKED_SECONDS = 3.0
ROOT = Path(__file__).parents[2]


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens there."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{port}")


@pytest.fixture
def black_hole(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Connections are accepted and never answered."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{listening.getsockname()[1]}")
        yield


def publish_all(publisher: Publisher, events: list[ExecutionEvent]) -> tuple[list[Future[str]], float]:
    """The futures, and the longest that one call kept the caller, in seconds."""
    futures, longest = [], 0.0
    for event in events:
        started = time.perf_counter()
        futures.append(publisher.publish(event))
        longest = max(longest, time.perf_counter() - started)
    return futures, longest


def some_events(count: int) -> list[ExecutionEvent]:
    return [an_event() for _ in range(count)]


def ids(events: list[ExecutionEvent]) -> set[str]:
    return {str(event.event_id) for event in events}


def logged_ids(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Every event id in the log of lost events."""
    words = (
        word
        for record in caplog.records
        if record.name.endswith("losses")
        for word in record.getMessage().split()
    )
    return [word for word in words if len(word) == 36 and UUID(word)]


# --- without a spool ---


@pytest.mark.parametrize("fault", ["nowhere", "black_hole"])
def test_caller_is_not_blocked_while_pubsub_is_unavailable(
    fault: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(fault)
    publisher = Publisher("p-1", timeout=15.0)
    futures, longest = publish_all(publisher, some_events(5_000))
    assert longest < BLOCKED_SECONDS
    assert not any(future.done() for future in futures)
    started = time.monotonic()
    assert publisher.close(1.0) == (0, 5_000)
    assert time.monotonic() - started < 1.0 + LATE
    assert all(isinstance(future.exception(0), NotPublishedError) for future in futures)


def test_given_up_events_are_counted_and_logged_by_id(
    nowhere: None, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = Publisher("p-1", max_events=300)
    events = some_events(1000)
    futures, _ = publish_all(publisher, events)
    full = [future for future in futures if future.done()]
    assert len(full) == 700
    assert {str(future.exception(0)) for future in full} == {"the memory for waiting events is full"}
    assert publisher.counts.given_up == 700
    assert publisher.close(0.2) == (0, 1000)
    assert sorted(logged_ids(caplog)) == sorted(ids(events))
    assert sum("given up" in record.getMessage() for record in caplog.records) < 20, "a line for each"


def test_memory_of_waiting_events_is_bounded_in_bytes(nowhere: None) -> None:
    publisher = Publisher("p-1", max_bytes=20_000_000)
    event = an_event(rendered_prompt="x" * 1_000_000)
    before = psutil.Process().memory_info().rss
    futures = [publisher.publish(event) for _ in range(500)]
    assert sum(not future.done() for future in futures) == 19
    assert psutil.Process().memory_info().rss - before < 150_000_000
    publisher.close(0)


def test_queued_events_are_sent_when_pubsub_is_back(project: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    topic = Topic(project)
    with Publisher(project) as publisher:
        events = some_events(200)
        futures, _ = publish_all(publisher, events)
        time.sleep(1.0)
        assert not any(future.done() for future in futures)
        topic.create()
        assert topic.receive_ids(200) == ids(events)
        assert publisher.flush(5)
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("prompt_worker")]
    assert len(logged) == 2
    assert f"topic prompt-executions does not exist in {project}: run `prompt-worker topics`" in logged[0]
    assert "accepts events again" in logged[1]


@pytest.fixture
def own_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """One that a test may stop."""
    with Emulator() as emulator:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator.host)
        yield emulator


def test_no_event_is_lost_when_pubsub_restarts_under_load(own_emulator: Emulator, tmp_path: Path) -> None:
    first, second = some_events(2000), some_events(2000)
    with Publisher("p-1", spool=tmp_path) as publisher:
        topic = Topic("p-1").create()
        publish_all(publisher, first)
        received = topic.receive_ids(2000)
        own_emulator.stop()
        publish_all(publisher, second[:1000])
        time.sleep(0.5)
        own_emulator.start()
        # It has forgotten its topics.
        topic = Topic("p-1").create()
        publish_all(publisher, second[1000:])
        received |= topic.receive_ids(2000, timeout=30)
        assert publisher.flush(20)
    assert received == ids(first + second)


def test_events_are_spooled_while_pubsub_hangs(own_emulator: Emulator, tmp_path: Path) -> None:
    topic = Topic("p-1").create()
    publisher = Publisher("p-1", spool=tmp_path, timeout=4.0)
    publisher.publish(an_event()).result(30)
    topic.receive(1)
    events = some_events(300)
    os.kill(own_emulator.pid, signal.SIGSTOP)
    try:
        futures, longest = publish_all(publisher, events)
        assert longest < BLOCKED_SECONDS
        assert {future.result(30) for future in futures} == {SPOOLED}
    finally:
        os.kill(own_emulator.pid, signal.SIGCONT)
    assert topic.receive_ids(300) >= ids(events)
    assert publisher.close() == (0, 0)


# --- with a spool ---


def test_spooled_events_are_sent_by_the_next_process(
    nowhere: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    events = some_events(2500)
    publisher = Publisher("p-1", spool=tmp_path)
    futures, longest = publish_all(publisher, events)
    assert longest < BLOCKED_SECONDS
    assert {future.result(30) for future in futures} == {SPOOLED}
    assert publisher.close(1) == (2500, 0)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}

    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", request.getfixturevalue("emulator").host)
    project = "p-1"
    topic = Topic(project).create()
    with Publisher(project, spool=tmp_path) as following:
        late = an_event()
        following.publish(late)
        assert topic.receive_ids(2501) == ids([*events, late])
        assert following.flush(10)
        assert following.close() == (0, 0)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_spooled_events_keep_their_attributes(
    project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reachable = os.environ["PUBSUB_EMULATOR_HOST"]
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    event = an_event(environment="staging", input_variables={"n": 10**40, "f": 1.5, "text": "a\n\U0001f600"})
    with Publisher(project, spool=tmp_path, source="script-service") as publisher:
        assert publisher.publish(event).result(30) == SPOOLED
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", reachable)
    topic = Topic(project).create()
    with Publisher(project, spool=tmp_path, source="another") as publisher:
        assert publisher.flush(10)
    (message,) = topic.receive(1)
    assert message.attributes["ce-source"] == "script-service"
    assert message.attributes["ce-id"] == str(event.event_id)
    assert message.attributes["ce-time"] == event.executed_at.isoformat()
    assert str(10**40).encode() in message.data


def test_topics_do_not_mix_in_one_spool(nowhere: None, tmp_path: Path) -> None:
    for project, topic in (("p-1", "one"), ("p-1", "two"), ("p-2", "one")):
        with Publisher(project, topic, spool=tmp_path) as publisher:
            publisher.publish(an_event()).result(30)
    assert len({path.parent for path in tmp_path.rglob("*.ndjson")}) == 3


def test_full_memory_overflows_to_the_spool(black_hole: None, tmp_path: Path) -> None:
    publisher = Publisher("p-1", spool=tmp_path, max_events=100, timeout=30.0)
    futures, longest = publish_all(publisher, some_events(1000))
    assert longest < BLOCKED_SECONDS
    assert sum(future.done() and future.result(0) == SPOOLED for future in futures) == 900
    assert publisher.close(0.5) == (1000, 0)


def test_events_beyond_a_full_spool_are_logged_by_id(
    nowhere: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    events = some_events(300)
    publisher = Publisher("p-1", spool=tmp_path, spool_bytes=200_000)
    futures, _ = publish_all(publisher, events[:100])
    assert {future.result(30) for future in futures} == {SPOOLED}
    futures, _ = publish_all(publisher, events[100:])
    assert all(isinstance(future.exception(30), NotPublishedError) for future in futures)
    assert publisher.close(1) == (100, 200)
    assert sorted(logged_ids(caplog)) == sorted(ids(events[100:]))
    assert "limit of 200,000 bytes" in caplog.text


def test_vanished_spool_folder_does_not_raise_in_the_caller(nowhere: None, tmp_path: Path) -> None:
    publisher = Publisher("p-1", spool=tmp_path / "spool")
    (tmp_path / "spool").rename(tmp_path / "gone")
    future = publisher.publish(an_event())
    assert isinstance(future.exception(30), NotPublishedError)
    assert publisher.close(1) == (0, 1)


def test_torn_spool_line_costs_one_event(
    project: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / project / "prompt-executions"
    reachable = os.environ["PUBSUB_EMULATOR_HOST"]
    os.environ["PUBSUB_EMULATOR_HOST"] = "127.0.0.1:1"
    events = some_events(3)
    with Publisher(project, spool=tmp_path) as publisher:
        publish_all(publisher, events)
    (segment,) = folder.iterdir()
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-200])
    os.environ["PUBSUB_EMULATOR_HOST"] = reachable
    topic = Topic(project).create()
    with Publisher(project, spool=tmp_path) as publisher:
        assert publisher.flush(10)
        assert publisher.counts.given_up == 1
    assert topic.receive_ids(2) == ids(events[:2])
    assert f"line 3 of {segment.name}" in caplog.text


def spooled(project: str, folder: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> list[ExecutionEvent]:
    """Events that wait there, written while Pub/Sub was unavailable."""
    events = some_events(count)
    with monkeypatch.context() as unavailable:
        unavailable.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
        with Publisher(project, spool=folder) as publisher:
            publish_all(publisher, events)
    return events


@pytest.mark.parametrize("field", ["input_variables", "rendered_prompt", "attributes"])
def test_damaged_spool_line_costs_one_event(
    project: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    field: str,
) -> None:
    events = spooled(project, tmp_path, monkeypatch, 500)
    (segment,) = tmp_path.rglob("*.ndjson")
    lines = segment.read_bytes().split(b"\n")
    at = lines[300].index(field.encode()) + len(field) + 4
    lines[300] = lines[300][:at] + b"\xff" + lines[300][at + 1 :]
    segment.write_bytes(b"\n".join(lines))
    topic = Topic(project).create()
    with Publisher(project, spool=tmp_path) as publisher:
        assert publisher.flush(20)
        assert publisher.counts.given_up == 1
    assert topic.receive_ids(499) == ids(events[:300] + events[301:])
    assert f"line 301 of {segment.name}" in caplog.text
    (kept,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept.read_bytes() == lines[300] + b"\n"
    assert (kept.suffix, stat.S_IMODE(kept.stat().st_mode)) == (".damaged", 0o600)


def test_spool_file_that_cannot_be_opened_holds_nothing_back(
    project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As one of another user; here a folder, which root cannot open as a file either."""
    before = spooled(project, tmp_path, monkeypatch, 50)
    (first,) = tmp_path.rglob("*.ndjson")
    (first.parent / "00000000000000000000-1.ndjson").mkdir()
    events = some_events(50)
    topic = Topic(project).create()
    publisher = Publisher(project, spool=tmp_path)
    for event in events:
        publisher.publish(event).result(30)
        time.sleep(0.01)
    assert publisher.flush(10)
    assert publisher.close() == (0, 0)
    assert topic.receive_ids(100) == ids(before + events)
    assert caplog.text.count("cannot use") == 1
    assert "unavailable" not in caplog.text.split("cannot use")[1]


def test_failing_disk_ends_neither_delivery_nor_close(
    project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    topic = Topic(project).create()
    publisher = Publisher(project, spool=tmp_path)
    for name in ("claim", "sync", "count", "close"):
        monkeypatch.setattr(Spool, name, fail)
    events = some_events(50)
    futures, _ = publish_all(publisher, events)
    assert all(future.result(30).isdigit() for future in futures)
    assert publisher.close() == (0, 0)
    assert topic.receive_ids(50) == ids(events)
    assert caplog.text.count("the spool fails, Input/output error") == 1


def test_flush_after_close_does_not_wait(nowhere: None, tmp_path: Path) -> None:
    for spool in (None, tmp_path):
        publisher = Publisher("p-1", spool=spool)
        publisher.publish(an_event())
        publisher.close(0.1)
        started = time.monotonic()
        assert publisher.flush(10) is (spool is None), "one event waits in the spool"
        assert time.monotonic() - started < BLOCKED_SECONDS


SCHEMA = '{"type": "record", "name": "E", "fields": [{"name": "of_another_kind", "type": "string"}]}'


def test_topic_that_refuses_all_events_loses_none(
    project: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its schema is not the event's; then somebody makes the topic again without one."""
    topic = Topic(project)
    topic.create(schema=SCHEMA)
    events = some_events(20)
    with Publisher(project, spool=tmp_path) as publisher:
        futures, _ = publish_all(publisher, events[:19])
        assert {future.result(30) for future in futures} == {SPOOLED}
        assert publisher.counts.refused == 0
        assert "check its name and its schema" in caplog.text
        topic.delete()
        topic.create()
        publisher.publish(events[19])
        assert topic.receive_ids(20) == ids(events)


SERVICE = """
import sys, time
from tests.support.topic import an_event
from prompt_worker import Publisher
publisher = Publisher(sys.argv[1], spool=sys.argv[2], timeout=1.0)
while True:
    event = an_event()
    if publisher.publish(event).result(30):
        print(event.event_id, flush=True)
"""


def test_killed_service_loses_no_confirmed_event(project: str, tmp_path: Path) -> None:
    """Three services share a folder and are killed in turn while Pub/Sub is unavailable; a fourth sends it all."""
    unavailable = {**os.environ, "PYTHONPATH": str(ROOT), "PUBSUB_EMULATOR_HOST": "127.0.0.1:1"}
    services = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SERVICE), project, str(tmp_path)],
            env=unavailable,
            stdout=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    confirmed: set[str] = set()
    for service in services:
        assert service.stdout is not None
        for _ in range(30):
            confirmed.add(service.stdout.readline().decode().strip())
        service.kill()
        confirmed |= {line for line in service.stdout.read().decode().split("\n")[:-1] if len(line) == 36}
        service.wait()
    topic = Topic(project).create()
    with Publisher(project, spool=tmp_path) as publisher:
        assert publisher.flush(20)
    assert confirmed <= topic.receive_ids(len(confirmed))


def test_several_processes_send_one_spool_once(project: str, tmp_path: Path) -> None:
    reachable = os.environ["PUBSUB_EMULATOR_HOST"]
    os.environ["PUBSUB_EMULATOR_HOST"] = "127.0.0.1:1"
    events = some_events(600)
    for start in range(0, 600, 100):
        with Publisher(project, spool=tmp_path) as publisher:
            publish_all(publisher, events[start : start + 100])
    os.environ["PUBSUB_EMULATOR_HOST"] = reachable
    topic = Topic(project).create()
    code = (
        "import sys; from prompt_worker import Publisher; Publisher(sys.argv[1], spool=sys.argv[2]).flush(20)"
    )
    senders = [
        subprocess.Popen(
            [sys.executable, "-c", code, project, str(tmp_path)], env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        for _ in range(3)
    ]
    assert [sender.wait(60) for sender in senders] == [0, 0, 0]
    bodies = topic.receive_bodies(600)
    assert len(bodies) == 600
    assert {body["event_id"] for body in bodies} == ids(events)


def test_script_ends_in_time_and_logs_what_it_gave_up(nowhere: None, tmp_path: Path) -> None:
    code = """
    import logging, sys
    logging.basicConfig()
    from tests.support.topic import an_event
    from prompt_worker import Publisher
    publisher = Publisher("p-1", spool=sys.argv[1] if len(sys.argv) > 1 else None)
    for _ in range(250):
        publisher.publish(an_event())
    """
    for arguments in ([], [str(tmp_path)]):
        started = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
            timeout=180,
        )
        assert time.monotonic() - started < 10 + LATE
        words = ended.stderr.split()
        assert sum(len(word) == 36 and word.count("-") == 4 for word in words) == (0 if arguments else 250)
    lines = b"".join(path.read_bytes() for path in tmp_path.rglob("*.ndjson"))
    assert lines.count(b"\n") == 250


# --- no text of an event leaves the service but in its message ---

SECRETS = (
    "SECRET-PROMPT",
    "SECRET-ANSWER",
    "jane@example.org",
    "SECRET-VARIABLE",
    "SECRET-KEY",
    "SECRET-ERROR",
)


def test_no_event_text_in_logs_errors_or_attributes(
    project: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Through every way an event can take: sent, refused, too large, spooled, given up, unreadable in the spool."""
    caplog.set_level(logging.DEBUG)
    reachable = os.environ["PUBSUB_EMULATOR_HOST"]

    def secret(**fields: object) -> ExecutionEvent:
        texts = {
            "rendered_prompt": SECRETS[0],
            "model_response": SECRETS[1],
            "user_id": SECRETS[2],
            "input_variables": {SECRETS[4]: SECRETS[3]},
            "error_message": SECRETS[5],
            "status": "failure",
        }
        return an_event(**(texts | fields))

    class Hostile:
        def __str__(self) -> str:
            raise ValueError(SECRETS[3])

    errors: list[BaseException | None] = []
    with Publisher(project, spool=tmp_path, max_events=5) as publisher:
        bad = [
            secret(status=SECRETS[0]),
            secret(session_id=SECRETS[2] * 100),
            secret(cost_usd=SECRETS[0]),
            secret(executed_at=SECRETS[0]),
            secret(guardrail_action=SECRETS[0]),
            secret(user_id="\ud800" + SECRETS[2] * 100),
            secret(guardrail_violations={SECRETS[4]: SECRETS[3]}),
        ]
        errors += [publisher.publish(event).exception(10) for event in bad]
        publisher.publish(secret(input_variables={SECRETS[4]: Hostile()}))
        publish_all(publisher, [secret() for _ in range(100)])
        publisher.flush(2)
        os.environ["PUBSUB_EMULATOR_HOST"] = "127.0.0.1:1"
    for path in tmp_path.rglob("*.ndjson"):
        path.write_bytes(b'{"attributes":{},"data":"' + SECRETS[0].encode() + b"\n" + path.read_bytes())
    os.environ["PUBSUB_EMULATOR_HOST"] = "127.0.0.1:1"
    with Publisher(project, max_events=5) as publisher:
        futures, _ = publish_all(publisher, [secret() for _ in range(100)])
        publisher.close(0.2)
        errors += [future.exception(0) for future in futures]
    os.environ["PUBSUB_EMULATOR_HOST"] = reachable
    topic = Topic(project).create()
    with Publisher(project, spool=tmp_path) as publisher:
        publisher.publish(secret(rendered_prompt=SECRETS[0] * 1_000_000))
        assert publisher.flush(20)
        assert publisher.counts.given_up >= 1
    messages = topic.receive(101)
    attributes = [f"{name}={value}" for message in messages for name, value in message.attributes.items()]
    assert len(messages) >= 101
    assert any(attribute.startswith("truncated-fields=") for attribute in attributes)
    assert sum(error is not None for error in errors) >= 7 + 100
    said = "\n".join([caplog.text, *attributes, *(f"{error!r} {error}" for error in errors)])
    assert [text for text in SECRETS if text in said] == []


def test_many_threads_publish_while_pubsub_comes_and_goes(own_emulator: Emulator, tmp_path: Path) -> None:
    topic = Topic("p-1").create()
    publisher = Publisher("p-1", spool=tmp_path, timeout=1.0, max_events=500)
    events: list[ExecutionEvent] = []
    stop = threading.Event()

    def service() -> None:
        while not stop.is_set():
            event = an_event()
            events.append(event)
            publisher.publish(event)
            time.sleep(0.001)

    threads = [threading.Thread(target=service) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        time.sleep(0.5)
        os.kill(own_emulator.pid, signal.SIGSTOP)
        time.sleep(1.2)
        os.kill(own_emulator.pid, signal.SIGCONT)
    stop.set()
    for thread in threads:
        thread.join()
    assert publisher.flush(60)
    assert publisher.close() == (0, 0)
    assert topic.receive_ids(len(events), timeout=30) == ids(events)
