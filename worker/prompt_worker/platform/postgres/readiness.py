"""Can this process do its work: can the database be written to, and is every migration of this version applied?"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing

import psycopg2
from psycopg2 import errors

from prompt_schema.migrate import read
from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.errors import READ_ONLY, describe
from prompt_worker.platform.postgres.statements import statement

log = logging.getLogger(__name__)

# How long an answer is kept, however many ask.
KEPT_SECONDS = 1.0
STATEMENT_TIMEOUT_MS = 3_000

_APPLIED = statement(__name__, "applied_migrations")


class Readiness:
    """Asks on a new connection each time: an open one says nothing about a server that freezes."""

    def __init__(self, database_url: str) -> None:
        self._engine = connect(
            database_url,
            application_name="prompt-worker readiness",
            pool_size=1,
            statement_timeout_ms=STATEMENT_TIMEOUT_MS,
        )
        self._needed = [migration.version for migration in read()]
        self._asking = threading.Lock()
        self._problem: str | None = None
        self._asked = float("-inf")

    def problem(self) -> str | None:
        """What is missing, without addresses or names of the database; None when nothing is. May take seconds."""
        with self._asking:
            if time.monotonic() - self._asked >= KEPT_SECONDS:
                before, self._problem = self._problem, self._ask()
                self._asked = time.monotonic()
                if self._problem is None and before is not None:
                    log.info("ready again")
            return self._problem

    def _ask(self) -> str | None:
        try:
            read_only, applied = self._find()
        except DeploymentError as error:
            log.warning("not ready: %s", error)
            return "the database cannot be used: the log says why"
        except psycopg2.Error as error:
            log.warning("not ready: %s", describe(error))
            return "the database does not answer: the log says why"
        finally:
            self._engine.dispose()
        if read_only:
            log.warning("not ready: %s", READ_ONLY)
            return READ_ONLY
        missing = [version for version in self._needed if version not in applied]
        if not missing:
            return None
        problem = f"migrations that are not applied: {', '.join(missing)}. Run 'prompt-worker migrate'"
        log.warning("not ready: %s", problem)
        return problem

    def _find(self) -> tuple[bool, set[str]]:
        """Whether the database is read-only, and the migrations that are applied."""
        with closing(self._engine.raw_connection()) as connection:
            asking = connection.cursor()
            asking.execute("SHOW transaction_read_only")
            read_only = asking.fetchall() == [("on",)]
            try:
                asking.execute(_APPLIED)
            except errors.UndefinedTable:
                return read_only, set()
            return read_only, {version for (version,) in asking.fetchall()}
