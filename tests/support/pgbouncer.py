"""A PgBouncer in transaction mode before a server, set up as deploy/settings.md says."""

from __future__ import annotations

import shutil
from typing import ClassVar

import psycopg2

from prompt_worker.local import ServerError
from prompt_worker.local.servers.account import server_account
from prompt_worker.local.servers.postgres import Postgres
from prompt_worker.local.servers.server import LOOPBACK, Server

# Where Debian has it: seldom on the path of a user.
PLACES = "/usr/local/sbin:/usr/sbin:/sbin"
# Fewer than the connections of one worker, so that each transaction may get another one.
CONNECTIONS = 3

_SETTINGS = """
[databases]
* = host={host} port={server}
[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 200
ignore_startup_parameters = options
query_wait_timeout = {wait}
"""

# Seconds that a query waits for a server that is down, before its worker learns of it.
WAIT_SECONDS = 5


def find_pgbouncer() -> str:
    """The program. Raises `ServerError`."""
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path=PLACES)
    if found is None:
        raise ServerError(
            "the tests need PgBouncer: run 'sudo apt-get install -y pgbouncer', or 'brew install pgbouncer'"
        )
    return found


class PgBouncer(Server):
    """Before `postgres`, whose logins need no password; it has to be started before this."""

    name: ClassVar[str] = "PgBouncer"
    # At once, as it ends when its machine does.
    end_signal: ClassVar[str] = "TERM"

    def __init__(self, postgres: Postgres) -> None:
        # It refuses to run as root too.
        super().__init__(server_account(None))
        self._program = find_pgbouncer()
        self._postgres = postgres

    def url_of(self, database: str) -> str:
        """The URL of one of the server's databases, through the pooler."""
        return database.replace(f":{self._postgres.port}/", f":{self.port}/")

    def _prepare(self) -> None:
        (self.home / "users").write_text('"postgres" ""\n')

    def _command(self, port: int) -> list[str]:
        settings = self.home / "pgbouncer.ini"
        settings.write_text(
            _SETTINGS.format(
                host=LOOPBACK,
                server=self._postgres.port,
                port=port,
                users=self.home / "users",
                connections=CONNECTIONS,
                wait=WAIT_SECONDS,
            )
        )
        return [self._program, str(settings)]

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.url_of(self._postgres.url), connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True
