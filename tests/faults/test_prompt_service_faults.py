"""What a prompt service meets: a registry that hangs, threads that end, forks, a full disk, a broken row."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import resource
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any, Self

import pytest

from prompt_worker import PromptTemplateService
from prompt_worker.prompts.registry import last_good, refresher
from prompt_worker.prompts.registry.sources import source
from tests.support.documents import REPOSITORY
from tests.support.prompts import write_prompts
from tests.support.registry import FileRegistry, Owner, soon, version
from tests.support.timing import LATE
from tests.support.warm import WarmProcess

NAME = "tutor/hints"


@pytest.fixture
def builtin(tmp_path: Path) -> Path:
    return write_prompts(tmp_path / "builtin", {NAME: "built in"})


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileRegistry]:
    monkeypatch.setattr(source, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(refresher, "FIRST_SECONDS", 0.05)
    made = FileRegistry(tmp_path)
    # Those of tests before end with their last attempt.
    soon(lambda: not refreshers())
    yield made
    made.close()


class Hanging:
    """A real listener that accepts, reads, and never answers. `opened` counts connections, `most` those at once."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self._listener.getsockname()[1]
        self.opened = self.most = 0
        self._clients: list[socket.socket] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for each in (self._listener, *self._clients):
            each.close()

    def _hold(self) -> None:
        """Who left is forgotten before who came is counted."""
        while not self._ended.is_set():
            ready, _, _ = select.select([*self._clients, self._listener], [], [], 0.05)
            for each in ready:
                if each is self._listener:
                    self._clients.append(each.accept()[0])
                    self.opened += 1
                    self.most = max(self.most, len(self._clients))
                elif not _said(each):
                    self._clients.remove(each)
                    each.close()


def _said(client: socket.socket) -> bytes:
    """What it sent; empty when it left."""
    try:
        return client.recv(4096)
    except OSError:
        return b""


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    with Hanging() as made:
        yield made


def hangs(hanging: Hanging, kind: str) -> str:
    return {
        "postgresql": f"postgresql://user:secret@127.0.0.1:{hanging.port}/prompts",
        "http": f"http://127.0.0.1:{hanging.port}/v1/registry",
    }[kind]


# --- a registry that hangs ---


@pytest.mark.parametrize("kind", ["postgresql", "http"])
def test_start_before_a_hanging_registry_ends_when_it_said(
    hanging: Hanging, builtin: Path, kind: str
) -> None:
    prompts = PromptTemplateService(builtin, registry=hangs(hanging, kind), last_good="none")
    started = time.monotonic()
    assert prompts.start(wait=0.5) is False
    assert 0.45 < time.monotonic() - started < 0.5 + LATE
    assert prompts.get(NAME).reason == "builtin:unavailable"
    prompts.close()


@pytest.mark.parametrize("kind", ["postgresql", "http"])
def test_stampede_at_a_cold_start_is_one_attempt_and_no_wait(
    hanging: Hanging, builtin: Path, kind: str
) -> None:
    prompts = PromptTemplateService(builtin, registry=hangs(hanging, kind), last_good="none")
    late: list[float] = []

    async def loop() -> list[str]:
        async def one() -> str:
            async with prompts.arun(NAME) as run:
                await asyncio.sleep(0)
                return run.text

        async def clock() -> None:
            for _ in range(100):
                before = time.perf_counter()
                await asyncio.sleep(0.005)
                late.append(time.perf_counter() - before - 0.005)

        ticking = asyncio.create_task(clock())
        texts = await asyncio.gather(*(one() for _ in range(200)))
        await ticking
        return list(texts)

    with ThreadPoolExecutor(50) as pool:
        waiting = [pool.submit(lambda: prompts.get(NAME).render().text) for _ in range(500)]
        texts = asyncio.run(loop()) + [each.result() for each in waiting]
    assert set(texts) == {"built in"}
    assert len(texts) == 700
    assert hanging.most == 1
    # With room for a busy machine: an attempt to reach the registry takes seconds.
    assert quantiles(late, n=100)[98] < 1.9
    prompts.close()


def test_attempts_become_rarer_up_to_one_in_half_a_minute() -> None:
    waits = [[refresher.backoff(failed) for _ in range(200)] for failed in range(1, 40)]
    assert all(1 <= each <= 30 for several in waits for each in several)
    assert max(waits[0]) <= 2
    assert min(waits[-1]) >= 15
    # Not all processes of a fleet at the same moment.
    assert max(waits[-1]) - min(waits[-1]) > 5


# --- the thread ---


def refreshers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "prompt-refresher"]


def kill(thread: threading.Thread) -> None:
    """As nothing in Python does; the thread ends wherever it is."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit)
    )
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_refresher_that_ended_is_started_again_by_the_next_get(registry: FileRegistry) -> None:
    registry.write(version(NAME, 1, "one"))
    prompts = registry.started()
    for at in (2, 3):
        (thread,) = refreshers()
        kill(thread)
        registry.write(version(NAME, at, f"text {at}"))
        prompts.get(NAME)
        soon(lambda at=at: prompts.get(NAME).version == at)
    assert len(refreshers()) == 1


def test_fault_of_our_own_does_not_end_the_refresher(
    registry: FileRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.write(version(NAME, 1, "one"))
    prompts = registry.started()
    (thread,) = refreshers()
    with monkeypatch.context() as patched:
        patched.setattr(last_good.LastGood, "save", lambda *_: 1 / 0)
        registry.write(version(NAME, 2, "two"))
        soon(lambda: "ZeroDivisionError" in str(prompts.health().trouble))
    registry.write(version(NAME, 3, "three"))
    soon(lambda: prompts.get(NAME).version == 3)
    assert refreshers() == [thread]


def test_closed_service_serves_on_and_follows_no_longer(registry: FileRegistry) -> None:
    registry.write(version(NAME, 1, "one"))
    prompts = registry.started()
    prompts.close()
    soon(lambda: not refreshers())
    assert prompts.get(NAME).render().text == "one"
    assert not refreshers()


def test_service_that_nobody_has_any_more_ends_its_thread(registry: FileRegistry) -> None:
    registry.write(version(NAME, 1, "one"))
    prompts: Any = PromptTemplateService(registry=f"file://{registry.path}", last_good="none")
    assert prompts.start(wait=20)
    del prompts
    soon(lambda: not refreshers())


def test_clock_that_jumps_changes_nothing(registry: FileRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.write(version(NAME, 1, "one"))
    prompts = registry.started()
    for jump in (-86_400 * 400, 86_400 * 400):
        monkeypatch.setattr(time, "time", lambda jump=jump: jump)
        registry.write(version(NAME, registry.revision + 1, "next"))
        soon(lambda: prompts.get(NAME).version == registry.revision)
        assert 0 <= (prompts.get(NAME).age_seconds or 0) < 60
    monkeypatch.undo()
    soon(registry.kept)
    prompts.close()
    # A file of tomorrow: its clock was wrong, and it is not younger than new.
    monkeypatch.setattr(last_good, "now", lambda: datetime.now(UTC) - timedelta(days=1))
    registry.path.unlink()
    again = registry.service()
    again.start(wait=0.1)
    soon(lambda: again.health().source == "disk")
    assert 0 <= (again.health().age_seconds or 0) < 60


# --- forks ---


def in_child(check: Any) -> int:
    """The process id of a fork that exits with 0 when `check` returns true."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if check() else 2
        finally:
            os._exit(code)
    return child


def test_children_of_two_forks_follow_by_threads_of_their_own(registry: FileRegistry) -> None:
    registry.write(version(NAME, 1, "one"))
    prompts = registry.started()

    def follows() -> bool:
        # What the parent had, at once; then what comes.
        first = prompts.get(NAME).version in (1, 2)
        soon(lambda: prompts.get(NAME).version == 2, 20)
        return first and len(refreshers()) == 1

    def forks_again() -> bool:
        grandchild = in_child(follows)
        return follows() and os.waitpid(grandchild, 0)[1] == 0

    children = [in_child(follows), in_child(forks_again)]
    registry.write(version(NAME, 2, "two"))
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    soon(lambda: prompts.get(NAME).version == 2)


def test_fork_in_mid_compilation_does_not_stop_the_child(registry: FileRegistry) -> None:
    registry.write(*(version(f"p{at}", 1, f"{at} {{{{ x }}}}") for at in range(300)))
    prompts = registry.service()
    prompts.start()
    children = []
    for _ in range(10):
        children.append(in_child(lambda: soon(lambda: prompts.health().prompts == 300, 60) >= 0))
        time.sleep(0.02)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 10


def test_forked_child_leaves_the_connections_of_its_parent_alone(database: str, tmp_path: Path) -> None:
    owner = Owner(database)
    owner.create(NAME, "one", 1)
    prompts = PromptTemplateService(registry=database, last_good=tmp_path)
    assert prompts.start(wait=30)
    listeners = (
        "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN %%' AND datname = current_database()"
    )
    soon(lambda: len(owner.run(listeners)) == 1)
    (before,) = owner.run(listeners)

    def follows() -> bool:
        soon(lambda: prompts.get(NAME).version == 2, 20)
        return True

    child = in_child(follows)
    soon(lambda: len(owner.run(listeners)) == 2)
    owner.create(NAME, "two", 2)
    assert os.waitpid(child, 0)[1] == 0
    soon(lambda: prompts.get(NAME).version == 2)
    assert before in owner.run(listeners)
    prompts.close()


# --- the disk ---


FULL = """
import logging, resource, sys
from prompt_worker import PromptTemplateService
from tests.support.registry import soon

class Said(logging.Handler):
    records = []
    def emit(self, record):
        self.records.append(record)

logging.getLogger("prompt_worker").addHandler(Said())
# As a disk that is full: no file may grow beyond this.
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
prompts = PromptTemplateService(registry=sys.argv[1], last_good=sys.argv[2])
assert prompts.start(wait=20)
soon(lambda: Said.records)
print(prompts.get("tutor/hints").version, Said.records[0].getMessage().partition(" in ")[0], flush=True)
"""


def test_what_a_killed_process_left_unfinished_is_removed(registry: FileRegistry) -> None:
    registry.write(version(NAME, 1, "one"))
    registry.keep()
    (path,) = registry.kept()
    left, being_written = (path.with_name(f".{path.name}.{number}.abcd") for number in (1, 2))
    for each in (left, being_written):
        each.write_bytes(b"{")
    os.utime(left, (0, 0))
    registry.write(version(NAME, 2, "two"))
    registry.keep()
    soon(lambda: sorted(path.parent.iterdir()) == sorted([path, being_written]))


def test_full_disk_leaves_the_last_good_file_as_it_was(registry: FileRegistry) -> None:
    registry.write(version(NAME, 1, "one"))
    registry.keep()
    (path,) = registry.kept()
    before = path.read_bytes()
    registry.write(version(NAME, 2, "two" * 1000))
    ran = subprocess.run(
        [sys.executable, "-c", FULL, f"file://{registry.path}", str(path.parent)],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": "worker:schema:."},
    )
    assert (ran.returncode, ran.stdout) == (0, "2 cannot keep the last good prompts\n"), ran.stderr
    assert path.read_bytes() == before
    assert sorted(path.parent.iterdir()) == [path]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 600


# --- one broken row, many processes ---

SERVES = """
import json, sys, time
from prompt_worker import PromptTemplateService
prompts = PromptTemplateService(registry=sys.argv[1], last_good=sys.argv[2])
assert prompts.start(wait=30)
print("ready", flush=True)
sys.stdin.readline()
seen, until = [], time.monotonic() + 12
while time.monotonic() < until:
    pair = [prompts.get(name).render().text for name in ("a", "b")]
    if not seen or seen[-1] != pair:
        seen.append(pair)
    time.sleep(0.002)
print(json.dumps(seen), flush=True)
"""


def test_four_processes_and_one_broken_row_never_alternate(database: str, tmp_path: Path) -> None:
    owner = Owner(database)
    owner.create("a", "a1", 1)
    owner.create("b", "b1", 1)
    processes = [
        WarmProcess(
            ["-c", SERVES, database, str(tmp_path / str(at))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for at in range(4)
    ]
    try:
        for each in processes:
            assert each.stdout.readline() == "ready\n"
        for each in processes:
            each.stdin.write("\n")
            each.stdin.flush()
        owner.run(
            "INSERT INTO prompt_templates (name, template_text, version, is_active) "
            "VALUES ('a', '{{ broken', 2, true), ('b', 'b2', 2, true)"
        )
        seen = [json.loads(each.communicate(timeout=180)[0]) for each in processes]
    finally:
        for each in processes:
            each.kill()
    for pairs in seen:
        assert pairs[-1] == ["a1", "b2"]
        assert pairs in ([["a1", "b2"]], [["a1", "b1"], ["a1", "b2"]])


def test_thousand_prompts_are_served_while_they_change(registry: FileRegistry) -> None:
    versions = [version(f"p/{at}", 1, f"text {at} {{{{ x }}}}") for at in range(1000)]
    registry.write(*versions)
    prompts = registry.service()
    assert prompts.start(wait=120)
    assert prompts.health().prompts == 1000
    versions[500] = version("p/500", 2, "changed {{ x }}")
    registry.write(*versions)
    soon(lambda: prompts.get("p/500").version == 2)
    assert prompts.get("p/999").render({"x": 1}).text == "text 999 1"
    assert prompts.health().is_healthy
