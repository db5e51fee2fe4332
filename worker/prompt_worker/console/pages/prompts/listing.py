"""`/prompts`: every prompt on a line."""

from __future__ import annotations

from typing import Annotated

import msgspec
from psycopg2.extensions import cursor
from starlette.responses import Response

from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.prompts.authoring.reading.listing import Listed, list_prompts

# Lines of a page.
MOST = 500
_NUMBERS = statement(__name__, "numbers_in_production")


class Asked(msgspec.Struct):
    """`q` is a part of a name or a category."""

    q: Annotated[str, msgspec.Meta(max_length=255)] | None = None


class Numbers(msgspec.Struct, frozen=True):
    """Of the version in production, since it was made."""

    executions: int
    success_rate: float
    response_ms: float | None
    cost: float | None


def prompts(visit: Visit) -> Response:
    asked = visit.query(Asked)
    found = [each for each in list_prompts(visit.database.reading) if _matches(each, asked.q)]
    return visit.page(
        "pages/prompts/listing.html",
        asked=asked,
        found=found[:MOST],
        more=len(found) - MOST,
        numbers=visit.block(lambda: visit.database.read(_read_numbers)),
    )


def _matches(listed: Listed, wanted: str | None) -> bool:
    if wanted is None:
        return True
    return any(wanted.casefold() in each.casefold() for each in (listed.name, listed.category or ""))


def _read_numbers(cursor: cursor) -> dict[str, Numbers]:
    """By name."""
    cursor.execute(_NUMBERS)
    return {name: Numbers(*row) for name, *row in cursor}


ROUTES = [Route("/prompts", prompts, "prompts")]
