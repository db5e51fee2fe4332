"""The database of a command."""

from __future__ import annotations

from sqlalchemy import Engine

from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.settings import DatabaseSettings, read


def open_engine(
    name: str,
    *,
    statement_timeout_ms: int = 30_000,
    lock_timeout_ms: int = 3_000,
    any_encoding: bool = False,
) -> Engine:
    """The engine of DATABASE_URL, once it has answered. Raises `SettingsError`, `DeploymentError`.

    `name` is the command's; a timeout of 0 milliseconds is none; `any_encoding` is for one that refuses a database
    which is not UTF-8 itself.
    """
    engine = connect(
        read(DatabaseSettings).url,
        application_name=f"prompt-worker {name}",
        statement_timeout_ms=statement_timeout_ms,
        lock_timeout_ms=lock_timeout_ms,
        any_encoding=any_encoding,
    )
    Session(engine).server_version()
    return engine


def open_session(name: str) -> Session:
    """A session on the engine of DATABASE_URL, for operators and owners. Raises `SettingsError`, `DeploymentError`."""
    return Session(open_engine(name))
