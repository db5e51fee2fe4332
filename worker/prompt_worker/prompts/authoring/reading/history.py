"""The history of a registry: who did what, when and why; and whether its chain is whole."""

from __future__ import annotations

from datetime import datetime

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.prompts.authoring.acting import reading

_HISTORY = statement(__name__, "history")
_LINKS = statement(__name__, "chain_links")
_CHANGED = (
    "SELECT h.id FROM prompt_history h WHERE h.sha256 IS DISTINCT FROM prompt_history_sha256(h) ORDER BY h.id"
)
_MAY_READ = "SELECT has_table_privilege('prompt_history', 'SELECT')"


class Entry(msgspec.Struct, frozen=True):
    """One change. `login` is the database's; `who` is it too, or the person that it named."""

    id: int
    at: datetime
    who: str
    login: str
    action: str
    kind: str
    subject: str
    version: int | None
    reason: str | None


class Chain(msgspec.Struct, frozen=True):
    """`broken`: rows that were changed, or do not follow the one before. `is_complete`: none is missing at the end.

    `is_recomputed`: each row's own hash was, which needs the right to read what changes were from and to.
    """

    rows: int
    broken: list[int]
    is_complete: bool
    is_recomputed: bool

    @property
    def is_whole(self) -> bool:
        return self.is_complete and not self.broken


def history(session: Session, subject: str | None = None, *, limit: int = 50) -> list[Entry]:
    """The newest first; of one prompt's name, or all. Raises `NotAllowedError`, `DeploymentError`."""

    def read(cursor: cursor) -> list[Entry]:
        cursor.execute(_HISTORY, {"subject": subject, "limit": limit or None})
        return [Entry(*row) for row in cursor]

    return reading(session, read)


def verify_chain(session: Session) -> Chain:
    """Of the whole history. Raises `NotAllowedError`, `DeploymentError`."""

    def read(cursor: cursor) -> Chain:
        cursor.execute(_LINKS)
        ((rows, broken, is_complete),) = cursor.fetchall()
        cursor.execute(_MAY_READ)
        ((may_read,),) = cursor.fetchall()
        if may_read:
            cursor.execute(_CHANGED)
            broken += [id_ for (id_,) in cursor]
        return Chain(rows, sorted(set(broken)), is_complete, may_read)

    return reading(session, read)
