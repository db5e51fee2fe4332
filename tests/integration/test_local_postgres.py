"""A PostgreSQL of our own: on a free port, as whoever we are, with its data kept or gone, and never left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg2
import pytest

from prompt_worker.local import ServerError
from prompt_worker.local.servers import postgres, server
from prompt_worker.local.servers.postgres import Postgres, embedded_bin_dir
from prompt_worker.local.servers.server import LOOPBACK, free_port

FAST = {"fsync": "off"}


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A directory that every user can enter: pytest's own are closed to the account that root's server runs as."""
    path = Path(tempfile.mkdtemp(prefix="prompt-worker-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def ask(url: str, statement: str) -> object:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone() if cursor.description else None
    connection.close()
    return row[0] if row else None


def test_postgres_answers_by_port_and_socket_and_leaves_nothing() -> None:
    with Postgres(settings=FAST) as running:
        assert str(ask(running.url, "SHOW server_version")).startswith(running.version)
        assert ask(running.socket_url, "SHOW server_encoding") == "UTF8"
        assert ask(running.url, "SHOW fsync") == "off"
        home, pid = running.home, running.pid
    assert not home.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_several_servers_at_once_have_different_ports() -> None:
    servers = [Postgres(settings=FAST) for _ in range(3)]
    try:
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(Postgres.start, servers))
        assert len({one.port for one in servers}) == 3
        assert {ask(one.url, "SELECT 1") for one in servers} == {1}
    finally:
        for one in servers:
            one.close()


def test_port_lost_to_another_program_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    with Postgres(settings=FAST) as first:
        ports = iter([first.port, free_port()])
        monkeypatch.setattr(server, "free_port", lambda: next(ports))
        with Postgres(settings=FAST) as second:
            assert second.port != first.port
            assert ask(second.url, "SELECT 1") == 1


@pytest.mark.parametrize("end", [Postgres.stop, Postgres.kill])
def test_stopped_or_crashed_server_restarts_with_port_and_rows(end: object) -> None:
    with Postgres(settings=FAST) as running:
        url = running.url
        ask(url, "CREATE TABLE kept AS SELECT 7 AS number")
        assert callable(end)
        end(running)
        with pytest.raises(psycopg2.OperationalError):
            ask(url, "SELECT 1")
        running.start()
        assert running.url == url
        assert ask(url, "SELECT number FROM kept") == 7


def test_data_directory_is_kept_and_reused(reachable: Path) -> None:
    with Postgres(reachable / "new" / "data") as first:
        ask(first.url, "CREATE TABLE kept AS SELECT 7 AS number")
    with Postgres(reachable / "new" / "data") as second:
        assert ask(second.url, "SELECT number FROM kept") == 7


def test_directory_with_other_files_is_refused_and_untouched(reachable: Path) -> None:
    (reachable / "thesis.txt").write_text("years of work")
    with pytest.raises(ServerError, match="holds files and no database"):
        Postgres(reachable).start()
    assert [path.name for path in reachable.iterdir()] == ["thesis.txt"]


def test_database_of_another_version_is_refused(reachable: Path) -> None:
    (reachable / "PG_VERSION").write_text("12\n")
    with pytest.raises(ServerError, match="holds a database of PostgreSQL 12"):
        Postgres(reachable).start()


def test_directory_that_only_its_owner_can_enter(reachable: Path) -> None:
    """Root's server runs as another account, so root gets an error with advice; an ordinary user's server starts."""
    closed = reachable / "closed"
    closed.mkdir(mode=0o700)
    if os.geteuid() == 0:
        with pytest.raises(ServerError, match=r"cannot reach .* such as one under /var/tmp"):
            Postgres(closed / "data").start()
        assert list(closed.iterdir()) == []
    else:
        with Postgres(closed / "data") as running:
            assert ask(running.url, "SELECT 1") == 1


def test_installation_that_only_its_owner_can_enter_runs(
    reachable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clone in /root or in a directory of mktemp: the server's account gets a copy, removed with the server."""
    closed = reachable / "closed"
    closed.mkdir(mode=0o700)
    package = embedded_bin_dir().parent.parent
    for directory in (package, package.with_name(f"{package.name}.libs")):
        if directory.exists():
            shutil.copytree(
                directory, closed / directory.name, ignore=shutil.ignore_patterns("include", "*.a")
            )
    monkeypatch.setattr(postgres, "embedded_bin_dir", lambda: closed / package.name / "pginstall" / "bin")
    with Postgres(settings=FAST) as running:
        assert ask(running.url, "SELECT 1") == 1
        home = running.home
    assert not home.exists()


def test_failed_start_says_why_and_leaves_nothing() -> None:
    broken = Postgres(settings={"shared_buffers": "plenty"})
    with pytest.raises(ServerError, match=r'ended while starting(.|\n)*"shared_buffers": "plenty"'), broken:
        pass
    assert not broken.running
    with pytest.raises(ServerError, match="has not been started"):
        _ = broken.home


def test_postgres_ends_when_its_owner_is_killed() -> None:
    program = (
        "from prompt_worker.local.servers.postgres import Postgres; import time\n"
        "server = Postgres().start(); print(server.pid, server.home, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid, home = starter.stdout.readline().split()
        starter.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 15
    while Path(home).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(home).exists()
    assert not is_running(int(pid))


def is_running(pid: int) -> bool:
    """False for a zombie too: some containers have nobody to collect orphans."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip()[:1] not in ("", "Z")


def test_postgres_listens_on_loopback_only() -> None:
    with Postgres(settings=FAST) as running:
        assert ask(running.url, "SHOW listen_addresses") == LOOPBACK
