"""A publisher loses nothing wherever it lives: arrived + spooled + logged = published, also without `close()`."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.lives import LIVES
from tests.support.timing import LATE
from tests.support.topic import Topic

ROOT = Path(__file__).parents[2]
# Each life is up to four processes, which load gRPC; without Pub/Sub most of their time is waiting.
AT_ONCE = 3
AT_ONCE_WAITING = 6
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Ended(NamedTuple):
    """The ids of a life's events, by publisher, and where they are."""

    published: dict[str, set[str]]
    spooled: set[str]
    logged: set[str]
    errors: str


def live(life: str, project: str, folder: Path) -> Ended:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.support.lives", life, project, str(folder)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/worker:{ROOT}/schema"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    published: dict[str, set[str]] = {"spool": set(), "none": set()}
    for line in ended.stdout.splitlines():
        name, event_id = line.split()
        published[name].add(event_id)
    files = b"".join(path.read_bytes() for path in folder.rglob("*.ndjson")).decode()
    spooled = {match[1] for match in re.finditer(rf'"ce-id":"({_ID.pattern})"', files)}
    lost = [line for line in ended.stderr.splitlines() if "event ids" in line]
    return Ended(published, spooled, set(_ID.findall("\n".join(lost))), ended.stderr)


def live_all(project: str, folder: Path, at_once: int) -> dict[str, Ended]:
    with ThreadPoolExecutor(at_once) as executor:
        lives = {life: executor.submit(live, life, project, folder / life) for life in LIVES}
        return {life: ended.result() for life, ended in lives.items()}


@contextmanager
def listening() -> Iterator[str]:
    """Accepts connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1000)
        yield f"127.0.0.1:{server.getsockname()[1]}"


FORK = """
import os, sys, time
from tests.support.topic import an_event
from prompt_worker import Publisher
publishers = [Publisher(sys.argv[1]) for _ in range(5)]
for publisher in publishers:
    publisher.publish(an_event())
time.sleep(3)
started = time.monotonic()
child = os.fork()
if child == 0:
    os.environ["PUBSUB_EMULATOR_HOST"] = sys.argv[2]
    os._exit(0 if all(publisher.publish(an_event()).result(20) for publisher in publishers) else 1)
print(time.monotonic() - started, os.waitpid(child, 0)[1], flush=True)
os._exit(0)
"""


def test_fork_while_pubsub_hangs_is_quick_and_its_child_works(project: str) -> None:
    """Each of five publishers has a request in flight that will not be answered."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/worker:{ROOT}/schema"}
    Topic(project).create()
    with listening() as host:
        printed = subprocess.check_output(
            [sys.executable, "-c", FORK, project, os.environ["PUBSUB_EMULATOR_HOST"]],
            env=environment | {"PUBSUB_EMULATOR_HOST": host},
            text=True,
            timeout=180,
        )
    seconds, status = printed.split()
    assert int(status) == 0, "the child could not publish"
    assert float(seconds) < LATE


def test_every_event_arrives_while_pubsub_is_up(project: str, tmp_path: Path) -> None:
    topic = Topic(project).create()
    lives = live_all(project, tmp_path, AT_ONCE)
    published = {life: set[str]().union(*ended.published.values()) for life, ended in lives.items()}
    arrived = topic.receive_ids(sum(map(len, published.values())), timeout=10)
    wrong = {
        life: (len(ids), len(ids & arrived), lives[life].errors[-2000:])
        for life, ids in published.items()
        if not ids or ids - arrived
    }
    assert wrong == {}, "published, arrived, and what was logged"


@pytest.mark.parametrize("pubsub", ["down", "hanging"])
def test_every_event_is_kept_or_logged_while_pubsub_is_not_up(
    pubsub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening() as host:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host if pubsub == "hanging" else "127.0.0.1:1")
        lives = live_all("p-1", tmp_path, AT_ONCE_WAITING)
    wrong = {
        life: (len(published["spool"]), len(spooled), len(published["none"]), len(logged), errors[-2000:])
        for life, (published, spooled, logged, errors) in lives.items()
        if not published["none"] or published != {"spool": spooled, "none": logged}
    }
    assert wrong == {}, "published and spooled, published and logged, and the log"
