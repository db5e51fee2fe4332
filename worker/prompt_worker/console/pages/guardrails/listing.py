"""`/guardrails`: every guardrail, whether it is applied, and what it found."""

from __future__ import annotations

from typing import Any

import msgspec
from psycopg2.extensions import cursor
from starlette.responses import Response

from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.guardrails.recording.owners import list_guardrails, why_unusable
from prompt_worker.platform.postgres.statements import statement

_GUARDRAILS = statement(__name__, "guardrails")


class Line(msgspec.Struct, frozen=True):
    """One guardrail with its counters."""

    name: str
    type: str
    description: str | None
    is_active: bool
    severity: str
    action: str
    config: Any
    templates: list[str]
    categories: list[str]
    checks: int
    violations: int
    false_positives: int


def guardrails(visit: Visit) -> Response:
    reading = visit.database.reading
    return visit.page(
        "pages/guardrails/listing.html",
        found=visit.database.read(_read),
        unusable={each.name: why for each in list_guardrails(reading) if (why := why_unusable(each))},
    )


def _read(cursor: cursor) -> list[Line]:
    cursor.execute(_GUARDRAILS)
    return [Line(*row) for row in cursor]


ROUTES = [Route("/guardrails", guardrails, "prompts")]
