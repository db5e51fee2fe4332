"""A cursor for operators' commands: a transaction, and a database that refuses told in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import psycopg2
from psycopg2.extensions import cursor
from sqlalchemy import Engine

from prompt_worker.platform.postgres.errors import DeploymentError, describe

_SWEEP = "SELECT resolve_dead_letters()"


@contextmanager
def transaction(engine: Engine, *, streamed: str | None = None) -> Iterator[cursor]:
    """Committed at its end. `streamed` names a cursor of the server's, for more rows than memory should hold.

    Raises `DeploymentError`.
    """
    connection = engine.raw_connection()
    try:
        with cast(cursor, connection.cursor(streamed) if streamed else connection.cursor()) as opened:
            yield opened
        connection.commit()
    except psycopg2.Error as error:
        raise DeploymentError(
            f"The database refuses: {describe(error)}. Is it migrated ('prompt-worker verify'), "
            "and was this login granted prompt_operator?"
        ) from None
    finally:
        connection.close()


def sweep(engine: Engine) -> None:
    """Resolves those whose event has become a row at the moment they were stored, so that what is told is true."""
    with transaction(engine) as cursor:
        cursor.execute(_SWEEP)
