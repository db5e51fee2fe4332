"""`prompt-worker publish`: a file of any length arrives, and what does not is reported by line and by count."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from io import BytesIO
from pathlib import Path

import pytest

from prompt_worker import Publisher
from prompt_worker.commands import publish as publish_file
from prompt_worker.commands.cli import main
from prompt_worker.event.execution import encode
from tests.support.feedback import feedback_body
from tests.support.topic import Topic, an_event


@pytest.fixture
def topic(project: str) -> Topic:
    return Topic(project).create()


def start(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Runs Python in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
    )


def lines(count: int) -> list[bytes]:
    return [encode(an_event()) for _ in range(count)]


def test_publish_command_reports_refused_lines_by_number(
    topic: Topic, capfd: pytest.CaptureFixture[str]
) -> None:
    good = lines(2500)
    mixed = [*good[:10], b"{SECRET", b"", b"  ", *good[10:], good[0].replace(b'"success"', b'"SECRET"')]
    code = publish_file.run(BytesIO(b"\n".join(mixed)), Publisher(topic.project))
    out, err = capfd.readouterr()
    assert code == 1
    assert out == "2,500 of 2,502 events published, 2 refused\n"
    assert [line.partition(":")[0] for line in err.splitlines()] == ["line 11", "line 2504"]
    assert "SECRET" not in err
    assert topic.receive_ids(2500) == {json.loads(line)["event_id"] for line in good}


def test_publish_command_exits_with_0_when_all_arrived(
    topic: Topic, capfd: pytest.CaptureFixture[str]
) -> None:
    assert (
        publish_file.run(BytesIO(b"\n".join(lines(10)) + b"\n"), Publisher(topic.project), as_json=True) == 0
    )
    out, err = capfd.readouterr()
    assert json.loads(out) == {
        "lines": 10,
        "published": 10,
        "spooled": 0,
        "refused": 0,
        "lost": 0,
        "interrupted": False,
    }
    assert err == ""


def test_publish_command_publishes_feedback(
    project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    topic = Topic(project, "prompt-feedback").create()
    monkeypatch.setenv("PUBSUB_PROJECT_ID", project)
    good = [feedback_body() for _ in range(20)]
    (tmp_path / "feedback").write_bytes(b"\n".join([*good, feedback_body(value=7), lines(1)[0]]))
    assert main(["publish", "--feedback", str(tmp_path / "feedback")]) == 1
    out, err = capfd.readouterr()
    assert out == "20 of 22 events published, 2 refused\n"
    assert [line.partition(":")[0] for line in err.splitlines()] == ["line 21", "line 22"]
    assert topic.receive_ids(20) == {json.loads(line)["event_id"] for line in good}


def test_publish_command_uses_the_same_memory_for_any_file(topic: Topic, tmp_path: Path) -> None:
    code = """
    import psutil, sys
    from prompt_worker import Publisher
    from prompt_worker.commands import publish as publish_file
    with publish_file.source(sys.argv[2]) as file:
        assert publish_file.run(file, Publisher(sys.argv[1])) == 0
    print(psutil.Process().memory_info().rss)
    """
    block = b"\n".join(lines(1000)) + b"\n"
    sizes = []
    for name, repeats in (("short", 10), ("long", 50)):
        (tmp_path / name).write_bytes(block * repeats)
        process = start(code, topic.project, str(tmp_path / name))
        out, _ = process.communicate(timeout=180)
        assert process.returncode == 0
        sizes.append(int(out.split()[-1]))
    short, long = sizes
    assert long - short < 10_000_000, "bytes more for a file 60 MB longer"


def test_interrupted_publish_command_prints_its_counts(topic: Topic, tmp_path: Path) -> None:
    code = """
    import sys
    from tests.support.topic import an_event
    from prompt_worker import Publisher
    from prompt_worker.commands import publish as publish_file
    from prompt_worker.event.execution import encode
    class Endless:
        def readline(self, size):
            return encode(an_event()) + b"\\n"
    sys.exit(publish_file.run(Endless(), Publisher(sys.argv[1]), as_json=True))
    """
    process = start(code, topic.project)
    received = {body["event_id"] for body in topic.receive_bodies(1000)}
    process.send_signal(signal.SIGINT)
    try:
        out, _ = process.communicate(timeout=180)
    finally:
        process.kill()
    counts = json.loads(out)
    assert process.returncode == 130
    assert counts["interrupted"]
    assert counts["lines"] - counts["published"] in (0, 1)
    while more := topic.receive_ids(1, timeout=2):
        received |= more
    assert len(received) in (counts["published"], counts["published"] + 1)


def test_publish_command_names_a_file_it_cannot_read(tmp_path: Path) -> None:
    with pytest.raises(publish_file.SourceError, match=r"cannot read .*missing: No such file"):
        publish_file.source(str(tmp_path / "missing")).__enter__()


def test_publish_command_stops_waiting_for_a_missing_topic(
    project: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert publish_file.run(BytesIO(lines(1)[0]), Publisher(project), patience=1.0) == 1
    assert "1 given up" in capfd.readouterr().out
    assert "run `prompt-worker topics`" in caplog.text


def test_publish_command_refuses_an_array_with_a_hint(
    topic: Topic, capfd: pytest.CaptureFixture[str]
) -> None:
    array = b"[\n" + b",\n".join(lines(3)) + b"\n]\n"
    publisher = Publisher(topic.project)
    with pytest.raises(publish_file.FormatError, match=r"jq -c '\.\[\]'") as caught:
        publish_file.run(BytesIO(array), publisher)
    assert (caught.value.exit_code, publisher.counts) == (65, (0, 0, 0, 0))
    assert capfd.readouterr().out == ""


def test_publish_command_skips_a_byte_order_mark(topic: Topic) -> None:
    events = lines(2)
    assert publish_file.run(BytesIO(b"\xef\xbb\xbf" + b"\n".join(events)), Publisher(topic.project)) == 0
    assert topic.receive_ids(2) == {json.loads(line)["event_id"] for line in events}


def test_publish_command_names_closed_standard_input(topic: Topic) -> None:
    ended = subprocess.run(
        ["bash", "-c", '"$0" -m prompt_worker publish - <&-', sys.executable],
        env={**os.environ, "PUBSUB_PROJECT_ID": topic.project, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert (ended.returncode, ended.stderr) == (
        66,
        "prompt-worker: cannot read standard input: it is closed\n",
    )


def test_publish_command_counts_lines_before_a_file_failed(
    topic: Topic, capfd: pytest.CaptureFixture[str]
) -> None:
    class Failing:
        given = False

        def readline(self, size: int) -> bytes:
            if self.given:
                raise OSError(5, "Input/output error")
            self.given = True
            return lines(1)[0]

    with pytest.raises(publish_file.SourceError, match="cannot read on: Input/output error"):
        publish_file.run(Failing(), Publisher(topic.project))  # type: ignore[arg-type]
    assert capfd.readouterr().out == "1 of 1 events published\n"
