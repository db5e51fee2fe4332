"""The database itself: a short transaction for each question, and LISTEN where it works."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from prompt_worker.platform.failures import DeploymentError, SettingsError

try:
    import psycopg2
    from psycopg2.extensions import connection, make_dsn, parse_dsn
except ModuleNotFoundError as error:
    if error.name != "psycopg2":
        raise
    raise ModuleNotFoundError(
        "psycopg2 is not installed: a registry in a database needs "
        "pip install 'prompt-worker[prompts]' psycopg2-binary",
        name="psycopg2",
    ) from None

from prompt_worker.platform.postgres import pinned
from prompt_worker.platform.postgres.errors import classify, describe
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.prompts.errors import SourceError
from prompt_worker.prompts.registry.document import Position, decode
from prompt_worker.prompts.registry.sources.listening import Listening
from prompt_worker.prompts.registry.sources.source import Fetched, Known, pause, without_secrets
from prompt_worker.prompts.registry.waking import Waking

CONNECT_SECONDS = 3
STATEMENT_TIMEOUT_MS = 2_000
# Of one attempt as a whole: a server that is frozen answers nothing and closes nothing.
ATTEMPT_SECONDS = 8.0
# After as long the document is read although its revision is the same: a change that no trigger saw.
REREAD_SECONDS = 600.0

REVISION = statement(__name__, "revision")
DOCUMENT = statement(__name__, "document")
_BEGIN = (
    f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}; SET LOCAL lock_timeout = {STATEMENT_TIMEOUT_MS}"
)


class DatabaseSource:
    """`listening` is None where LISTEN does not work: behind a pooler, or on a standby."""

    age_seconds = 0.0

    def __init__(self, address: str, setting: str, *, listen: bool = True) -> None:
        self._dsn = _dsn(address, setting)
        self.name = without_secrets(address)
        self.listening = Listening(self.connect) if listen else None
        self._opened: connection | None = None
        self._read_at = 0.0

    def fetch(self, known: Known | None) -> Fetched | None:
        with self._transaction() as asking:
            asking.execute(REVISION)
            row = asking.fetchone()
            if row is None:
                raise SourceError("the database has no registry: run prompt-worker migrate")
            found = Position(*row)
            due = time.monotonic() - self._read_at >= REREAD_SECONDS
            if known is not None and found == known.position and not due:
                return None
            asking.execute(DOCUMENT)
            (text,) = asking.fetchone()
        self._read_at = time.monotonic()
        return Fetched(decode(text.encode()))

    def wait(self, known: Known, waking: Waking) -> bool:
        if self.listening is None:
            waking.wait(pause())
        else:
            self.listening.wait(known.position, pause(), waking)
        return True

    def close(self) -> None:
        if self.listening is not None:
            self.listening.close()
        if (opened := self._opened) is not None:
            _interrupt(opened)

    def forget(self) -> None:
        self._opened = None
        if self.listening is not None:
            self.listening = Listening(self.connect)

    def connect(self) -> connection:
        """A new connection with pinned settings. Raises `SourceError`."""
        try:
            opened = psycopg2.connect(self._dsn)
            try:
                with _interrupted_after(ATTEMPT_SECONDS, opened):
                    pinned.pin(opened)
            except BaseException:
                opened.close()
                raise
        except psycopg2.Error as error:
            raise _explained(error) from None
        except DeploymentError as error:
            raise SourceError(str(error)) from None
        return opened

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        opened = self._opened = self.connect()
        try:
            with _interrupted_after(ATTEMPT_SECONDS, opened):
                opened.set_session(isolation_level="REPEATABLE READ", readonly=True)
                with opened.cursor() as asking:
                    asking.execute(_BEGIN)
                    yield asking
                opened.rollback()
        except psycopg2.Error as error:
            raise _explained(error) from None
        finally:
            self._opened = None
            opened.close()


def _dsn(address: str, setting: str) -> str:
    url = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", address, flags=re.IGNORECASE)
    try:
        given = parse_dsn(url)
    # It quotes the address.
    except psycopg2.ProgrammingError:
        raise SettingsError(
            f"{setting} cannot be read: is a special character in the password not percent-encoded, or an option "
            "not one of libpq's?"
        ) from None
    ports = given.get("port", "5432").split(",")
    if not all(port.isdecimal() and 0 < int(port) < 65536 for port in ports if port):
        raise SettingsError(f"{setting}: the port is not a number from 1 to 65535")
    options = [
        *([own] if (own := given.pop("options", "")) else []),
        f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
        pinned.options(),
    ]
    given.setdefault("connect_timeout", str(CONNECT_SECONDS))
    given.setdefault("application_name", "prompt-worker prompts")
    fixed = {
        "client_encoding": pinned.ENCODING,
        "options": " ".join(options),
        "keepalives_idle": "30",
        "keepalives_interval": "10",
        "keepalives_count": "3",
        "tcp_user_timeout": "10000",
    }
    made: str = make_dsn(**given | fixed)
    return made


@contextmanager
def _interrupted_after(seconds: float, opened: connection) -> Iterator[None]:
    timer = threading.Timer(seconds, _interrupt, (opened,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _interrupt(opened: connection) -> None:
    """Ends whatever waits for its server. Closing it here would free what another thread is using."""
    with (
        suppress(OSError, psycopg2.Error, ValueError),
        socket.socket(fileno=os.dup(opened.fileno())) as shared,
    ):
        shared.shutdown(socket.SHUT_RDWR)


def _explained(error: psycopg2.Error) -> SourceError:
    if classify(error) == "deployment":
        return SourceError(
            f"the database refuses: {describe(error)}. Run prompt-worker migrate; the login of a service needs the "
            "role prompt_reader."
        )
    return SourceError(f"the database is unavailable: {describe(error)}")
