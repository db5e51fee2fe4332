"""`/violations`: what guardrails found, the newest first, and marks of those that were false."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import msgspec
from psycopg2.extensions import cursor
from starlette.responses import Response

from prompt_worker.console.pages.named import Name
from prompt_worker.console.rendering.links import link
from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.guardrails.recording.owners import mark_false_positive
from prompt_worker.platform.postgres.statements import statement

# Lines of a page.
LINES = 50
_LAST_ID = UUID(int=2**128 - 1)
_LIST = statement(__name__, "violations")


class Asked(msgspec.Struct):
    """`after` is the last line of the page before, which was at `until`."""

    guardrail: Name | None = None
    prompt: Name | None = None
    until: datetime | None = None
    after: UUID | None = None


class Marked(msgspec.Struct):
    """`undo`: the violation was real."""

    id: UUID
    undo: bool = False


class Line(msgspec.Struct, frozen=True):
    """One violation; `preview` is masked."""

    id: UUID
    executed_at: datetime
    event_id: str
    guardrail_name: str
    template_name: str | None
    field: str
    rule: str
    severity: str | None
    action: str | None
    score: float | None
    preview: str | None
    false_positive_by: str | None


def violations(visit: Visit) -> Response:
    asked = visit.query(Asked)
    found = visit.block(lambda: visit.database.read(partial(_read, asked)))
    lines = found.value or []
    return visit.page(
        "pages/guardrails/violations.html",
        asked=asked,
        found=found,
        lines=lines[:LINES],
        here=_address(asked, asked.until, asked.after),
        older=_address(asked, lines[LINES - 1].executed_at, lines[LINES - 1].id)
        if len(lines) > LINES
        else None,
    )


def mark(visit: Visit) -> Response:
    """Back to the page that it was on."""
    asked, marked = visit.query(Asked), visit.form(Marked)
    mark_false_positive(visit.database.acting, str(marked.id), by=visit.who[:255], undo=marked.undo)
    return visit.see(_address(asked, asked.until, asked.after))


def _address(asked: Asked, until: datetime | None, after: UUID | None) -> str:
    return link("/violations", guardrail=asked.guardrail, prompt=asked.prompt, until=until, after=after)


def _read(asked: Asked, cursor: cursor) -> list[Line]:
    """One more than a page, where there is one."""
    cursor.execute(
        _LIST,
        {
            "guardrail": asked.guardrail,
            "prompt": asked.prompt,
            "at": asked.until or datetime.now(UTC) + timedelta(days=1),
            "after": str(asked.after or _LAST_ID),
            "lines": LINES + 1,
        },
    )
    return [Line(UUID(id_), *row) for id_, *row in cursor]


ROUTES = [
    Route("/violations", violations, "violations"),
    Route("/violations", mark, "mark", "POST"),
]
