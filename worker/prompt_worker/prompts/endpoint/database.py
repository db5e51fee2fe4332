"""The registry in its database, on one connection, and woken by a notification where that works."""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress
from typing import cast
from uuid import UUID

import psycopg2
from psycopg2.extensions import connection
from sqlalchemy import PoolProxiedConnection

from prompt_worker.platform.failures import DeploymentError, Failure
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.errors import classify, describe
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.prompts.registry.document import Document, Position, decode

STATEMENT_TIMEOUT_MS = 5_000
# Then another one is opened: after a failover an old connection may still lead to the old primary.
CONNECTION_SECONDS = 60.0
CHANNEL = "prompt_registry"
_POSITION = "SELECT registry_id::text, epoch, revision FROM prompt_registry"
_DOCUMENT = statement(__name__, "document")
# What is read belongs together, and takes nobody's lock.
_BEGIN = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


class UnreachableError(Failure):
    """The database does not answer now; it may the next time."""

    exit_code = 69


class DatabaseSource:
    """For one thread, but for `close`. Raises `SettingsError` for a URL that cannot be used; connects late."""

    def __init__(self, url: str) -> None:
        self._engine = connect(
            url,
            application_name="prompt-worker serve registry",
            pool_size=1,
            statement_timeout_ms=STATEMENT_TIMEOUT_MS,
        )
        self._opened: PoolProxiedConnection | None = None
        self._opened_at = 0.0
        # Written to by `close`, so that `wait` ends.
        self._ended, self._end = os.pipe()

    def fetch(self, known: Position | None) -> Document | None:
        """The document, unless its position is `known`.

        Raises `UnreachableError`, `DeploymentError`, `DocumentError`.
        """
        try:
            return self._fetch(self._connection(), known)
        except psycopg2.Error as error:
            self._drop()
            if classify(error) == "deployment":
                raise DeploymentError(
                    f"the database refuses: {describe(error)}. Run 'prompt-worker migrate'; the login of this process "
                    "needs the role prompt_reader"
                ) from None
            raise UnreachableError(f"the database does not answer: {describe(error)}") from None
        except Failure:
            self._drop()
            raise

    def wait(self, seconds: float) -> None:
        """Without a notification, as behind a pooler, for all of it."""
        listening = [self._ended]
        if self._opened is not None:
            listening.append(cast(connection, self._opened.dbapi_connection).fileno())
        readable, _, _ = select.select(listening, [], [], seconds)
        if self._opened is not None and set(readable) - {self._ended}:
            # Also what a server says when it closes the connection; the next question then finds that out.
            with suppress(psycopg2.Error):
                heard = cast(connection, self._opened.dbapi_connection)
                heard.poll()
                heard.notifies.clear()

    def close(self) -> None:
        os.write(self._end, b".")

    def _connection(self) -> PoolProxiedConnection:
        if self._opened is not None and time.monotonic() - self._opened_at > CONNECTION_SECONDS:
            self._drop()
        if self._opened is None:
            self._opened, self._opened_at = self._engine.raw_connection(), time.monotonic()
            cursor = self._opened.cursor()
            cursor.execute(f"LISTEN {CHANNEL}")
            self._opened.commit()
        return self._opened

    def _drop(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.invalidate()

    def _fetch(self, opened: PoolProxiedConnection, known: Position | None) -> Document | None:
        cursor = opened.cursor()
        cursor.execute(_BEGIN)
        cursor.execute(_POSITION)
        rows = cursor.fetchall()
        if not rows:
            raise DeploymentError("the table prompt_registry is empty: run 'prompt-worker verify'")
        registry_id, epoch, revision = rows[0]
        document = None
        if Position(UUID(registry_id), epoch, revision) != known:
            cursor.execute(_DOCUMENT)
            ((found,),) = cursor.fetchall()
            document = decode(found.encode())
        opened.commit()
        return document
