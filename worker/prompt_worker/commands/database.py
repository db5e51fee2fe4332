"""The database of a command: connected, or refused in a sentence for the one who typed the command."""

from __future__ import annotations

import psycopg2
from sqlalchemy import Engine

from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.errors import describe
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.settings import DatabaseSettings, read


def open_engine(name: str, *, statement_timeout_ms: int = 30_000, lock_timeout_ms: int = 3_000) -> Engine:
    """The engine of DATABASE_URL, tried once. Raises `SettingsError`, `DeploymentError`."""
    engine = connect(
        read(DatabaseSettings).url,
        application_name=f"prompt-worker {name}",
        statement_timeout_ms=statement_timeout_ms,
        lock_timeout_ms=lock_timeout_ms,
    )
    try:
        engine.raw_connection().close()
    except psycopg2.Error as error:
        raise DeploymentError(f"No connection to the database in DATABASE_URL: {describe(error)}") from None
    return engine


def open_session(name: str) -> Session:
    """For the commands of operators and owners. Raises `SettingsError`, `DeploymentError`."""
    return Session(open_engine(name))
