"""What a prompt was really given: the variables of its last executions, or only their shape."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.statements import statement

_REAL = statement(__name__, "real_inputs")
_MAY_READ = (
    "SELECT has_column_privilege('prompt_executions', 'input_variables', 'SELECT') "
    "AND has_column_privilege('prompt_executions', 'rendered_prompt', 'SELECT')"
)


class Executed(msgspec.Struct, frozen=True):
    """One execution. `rendered` is what was sent to the model."""

    id: UUID
    version: int
    variables: Any
    rendered: str
    language: str | None


def may_read_texts(cursor: cursor) -> bool:
    """Whether this login may see what users wrote."""
    cursor.execute(_MAY_READ)
    ((may,),) = cursor.fetchall()
    return bool(may)


def read_inputs(cursor: cursor, name: str, limit: int) -> list[Executed]:
    """The last `limit` of any version, the newest first."""
    cursor.execute(_REAL, {"name": name, "limit": limit})
    return [Executed(UUID(id_), *rest) for id_, *rest in cursor]
