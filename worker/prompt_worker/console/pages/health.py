"""`/health`: whether events arrive and the schema is what it should be; every check of the doctor, when asked."""

from __future__ import annotations

from datetime import datetime

import msgspec
from psycopg2.extensions import cursor
from starlette.responses import Response

from prompt_schema.ledger import read as read_migrations
from prompt_schema.verify import Check
from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.doctor import examine
from prompt_worker.platform.postgres.statements import statement

_FACTS = statement(__name__, "health")


class Asked(msgspec.Struct):
    """`checks`: all of them, which takes seconds."""

    checks: bool = False


class Facts(msgspec.Struct, frozen=True):
    """What is known at once. `processes` follow the registry in the database."""

    version: str
    read_only: bool
    size: str
    newest: datetime | None
    epoch: int
    revision: int
    changed_at: datetime
    processes: int
    applied: list[str]

    @property
    def missing(self) -> list[str]:
        return [each.version for each in read_migrations() if each.version not in self.applied]


def health(visit: Visit) -> Response:
    asked = visit.query(Asked)
    checks: list[Check] | None = list(examine()) if asked.checks else None
    return visit.page(
        "pages/health.html", facts=visit.block(lambda: visit.database.read(_read)), checks=checks
    )


def _read(cursor: cursor) -> Facts:
    cursor.execute(_FACTS)
    (row,) = cursor.fetchall()
    return Facts(*row)


ROUTES = [Route("/health", health, "prompts")]
