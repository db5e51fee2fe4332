"""Every prompt of a registry on a line."""

from __future__ import annotations

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.prompts.authoring.acting import reading

_LISTED = statement(__name__, "listed")


class Listed(msgspec.Struct, frozen=True):
    """`production` is None where no version is active; `blocked` is the reason of a kill switch."""

    name: str
    category: str | None
    production: int | None
    newest: int
    versions: int
    labels: dict[str, int]
    blocked: str | None


def list_prompts(session: Session) -> list[Listed]:
    """By name. Raises `NotAllowedError`, `DeploymentError`."""
    return reading(session, read_listed)


def read_listed(cursor: cursor, name: str | None = None) -> list[Listed]:
    cursor.execute(_LISTED, {"name": name})
    return [Listed(*row) for row in cursor]
