"""The record of every text that somebody reads in the console; only ever added to."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from psycopg2.extensions import cursor

_REVEAL = "INSERT INTO console_audit (action, kind, subject) VALUES ('revealed', %s, %s)"


def record_reveal(cursor: cursor, kind: Literal["execution", "dead_letter"], subject: UUID) -> None:
    """In the transaction that reads the text; who it was is stamped by the database."""
    cursor.execute(_REVEAL, (kind, str(subject)))
