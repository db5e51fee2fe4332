"""`/executions`: the newest first, by filters that an index serves; of the others it says how far it looked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta
from psycopg2.extensions import cursor
from starlette.responses import Response

from prompt_worker.console.pages.named import Name, Version
from prompt_worker.console.rendering.links import link
from prompt_worker.console.requests import BadRequestError
from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.platform.postgres.statements import statement

# Lines of a page.
LINES = 50
# Rows that are looked at for one page where no index finds the filters.
WINDOW = 20_000
# And of each version and status of one prompt.
PROMPT_WINDOW = 2_000
STATUSES = ("success", "failure", "partial", "blocked")
_LAST_ID = UUID(int=2**128 - 1)
_LIST = statement(__name__, "executions")
_SOURCES = {name: statement(__name__, f"executions_{name}") for name in ("all", "user", "prompt", "id")}
_MEASURES = "execution_time_ms, token_count, cost_usd, user_id, error_type"
_NO_MEASURES = (
    "NULL::integer AS execution_time_ms, NULL::integer AS token_count, NULL::numeric AS cost_usd, "
    "NULL::text AS user_id, NULL::text AS error_type"
)


class Asked(msgspec.Struct):
    """`id` is an execution's or a request's; `until` bounds the time, `after` is the last line of the page before."""

    id: UUID | None = None
    prompt: Name | None = None
    version: Version | None = None
    status: Literal["success", "failure", "partial", "blocked"] | None = None
    user: Annotated[str, Meta(max_length=255)] | None = None
    environment: Annotated[str, Meta(max_length=50)] | None = None
    service: Annotated[str, Meta(max_length=100)] | None = None
    until: datetime | None = None
    after: UUID | None = None


class Line(msgspec.Struct, frozen=True):
    """One execution, without any text. The last five are None without the right to read them."""

    id: UUID
    executed_at: datetime
    template_name: str
    template_version: int
    status: str
    environment: str | None
    service: str | None
    milliseconds: int | None
    tokens: int | None
    cost: Decimal | None
    user: str | None
    error_type: str | None


class Found(msgspec.Struct, frozen=True):
    """`older`: the address of what comes next, if anything may; `oldest`: how far was looked."""

    lines: list[Line]
    looked_at: int
    oldest: datetime | None
    older: str | None


def executions(visit: Visit) -> Response:
    asked = visit.query(Asked)
    if asked.user is not None and "measures" not in visit.rights:
        raise BadRequestError(f"executions are not found by user: {visit.rights.why_not('measures')}")
    read = partial(read_executions, asked, "measures" in visit.rights)
    return visit.page(
        "pages/executions/listing.html",
        asked=asked,
        statuses=STATUSES,
        chips=list(_chips(asked)),
        newest=link("/executions", _fields(asked)),
        found=visit.block(lambda: visit.database.read(read)),
    )


def read_executions(asked: Asked, measures: bool, cursor: cursor) -> Found:
    """A page of at most `LINES`."""
    source, inside, outside = _plan(asked)
    window = (PROMPT_WINDOW if source == "prompt" else WINDOW) if outside else LINES + 1
    query = _LIST.format(
        source=_SOURCES[source].format(
            columns=_MEASURES if measures else _NO_MEASURES,
            conditions="".join(f" AND e.{name} = %({field})s" for field, name in inside.items()),
        ),
        conditions=" AND ".join(f"f.{name} = %({field})s" for field, name in outside.items()) or "true",
    )
    cursor.execute(query, {**_parameters(asked), "window": window, "lines": LINES + 1})
    rows = cursor.fetchall()
    looked_at, oldest, oldest_id = rows[0][:3] if rows else (0, None, None)
    lines = [Line(UUID(row[3]), *row[4:]) for row in rows if row[3] is not None]
    if len(lines) > LINES:
        return Found(
            lines[:LINES], looked_at, oldest, _older(asked, lines[LINES - 1].executed_at, lines[LINES - 1].id)
        )
    more = outside and looked_at >= window
    return Found(lines, looked_at, oldest, _older(asked, oldest, UUID(oldest_id)) if more else None)


def _plan(asked: Asked) -> tuple[str, dict[str, str], dict[str, str]]:
    """Where rows come from; the filters that the index of it serves, and the others: columns by field."""
    columns = {
        "prompt": "template_name",
        "version": "template_version",
        "status": "status",
        "user": "user_id",
        "environment": "environment",
        "service": "service",
    }
    given = {field: name for field, name in columns.items() if getattr(asked, field) is not None}
    if asked.id is not None:
        return "id", {}, given
    if "user" in given:
        return "user", {"user": given.pop("user")}, given
    if "prompt" in given:
        del given["prompt"]
        # Of the templates themselves: see the statement.
        given.pop("version", None)
        given.pop("status", None)
        return "prompt", {}, given
    return "all", {}, given


def _parameters(asked: Asked) -> dict[str, Any]:
    return {
        **msgspec.to_builtins(asked),
        "at": asked.until or datetime.now(UTC) + timedelta(days=1),
        "after": str(asked.after or _LAST_ID),
        "statuses": [asked.status] if asked.status else list(STATUSES),
    }


def _older(asked: Asked, at: datetime | None, id_: UUID) -> str:
    return link("/executions", {**_fields(asked), "until": at, "after": id_})


def _fields(asked: Asked) -> dict[str, object]:
    return {name: getattr(asked, name) for name in asked.__struct_fields__ if name not in ("until", "after")}


def _chips(asked: Asked) -> Iterator[tuple[str, str, str]]:
    """Each filter: its name, its value, and the address without it."""
    given = {**_fields(asked), "until": asked.until}
    for name, value in given.items():
        if value is not None:
            text = f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)
            yield (
                name,
                text,
                link("/executions", {other: each for other, each in given.items() if other != name}),
            )


ROUTES = [Route("/executions", executions, "executions")]
