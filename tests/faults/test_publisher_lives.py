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
from tests.support.topic import Topic

ROOT = Path(__file__).parents[2]
# Each life is two to four processes, which load gRPC or wait for 3 s.
AT_ONCE = 8
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


def live_all(project: str, folder: Path) -> dict[str, Ended]:
    with ThreadPoolExecutor(AT_ONCE) as executor:
        lives = {life: executor.submit(live, life, project, folder / life) for life in LIVES}
        return {life: ended.result() for life, ended in lives.items()}


@contextmanager
def listening() -> Iterator[str]:
    """Accepts connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1000)
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_every_event_arrives_while_pubsub_is_up(project: str, tmp_path: Path) -> None:
    topic = Topic(project).create()
    lives = live_all(project, tmp_path)
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
        lives = live_all("p-1", tmp_path)
    wrong = {
        life: (len(published["spool"]), len(spooled), len(published["none"]), len(logged), errors[-2000:])
        for life, (published, spooled, logged, errors) in lives.items()
        if not published["none"] or published != {"spool": spooled, "none": logged}
    }
    assert wrong == {}, "published and spooled, published and logged, and the log"
