"""What a prompt was really given: the variables of its last executions; for whoever may not read texts, their shape."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.statements import statement

_REAL = statement(__name__, "real_inputs")
_MASKED = (
    "SELECT execution::text, version, input_variables, repeat('x', rendered_length), language "
    "FROM masked_prompt_inputs(%(name)s, %(limit)s)"
)
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


class Inputs(msgspec.Struct, frozen=True):
    """`shown`: whether they are as users wrote them. Else each text has as many letters `x`, each number is 1."""

    executed: list[Executed]
    shown: bool


def read_inputs(name: str, limit: int, cursor: cursor) -> Inputs:
    """The last `limit` executions of any version of a prompt, the newest first."""
    cursor.execute(_MAY_READ)
    ((shown,),) = cursor.fetchall()
    cursor.execute(_REAL if shown else _MASKED, {"name": name, "limit": limit})
    return Inputs([Executed(UUID(id_), *rest) for id_, *rest in cursor], shown)
