"""`/dead-letters`: what failed and why, by cause; and `/dead-letters/list`: one by one."""

from __future__ import annotations

from itertools import islice
from uuid import UUID

from starlette.responses import Response

from prompt_worker.console.pages.dead_letters.filtering import Filtered
from prompt_worker.console.rendering.charts import Bar, bars
from prompt_worker.console.rendering.links import link
from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.deadletters.filters import STATUSES
from prompt_worker.deadletters.listing import Listed, listed
from prompt_worker.deadletters.summary import Group, summarize

CAUSES = 50
LINES = 50
# Characters of a reason that an address finds its cause by.
_REASON = 300


class Page(Filtered):
    """`after` is the last line of the page before."""

    after: UUID | None = None


def causes(visit: Visit) -> Response:
    asked = visit.query(Filtered)
    return visit.page(
        "pages/dead_letters/listing.html",
        asked=asked,
        statuses=STATUSES,
        found=visit.block(lambda: summarize(visit.database.reading, asked.filter, limit=CAUSES)),
        parts_of=_bars,
        of_cause=lambda path, group, **more: link(path, {**asked.fields, **_cause(group), **more}),
    )


def letters(visit: Visit) -> Response:
    asked = visit.query(Page)

    def read() -> list[Listed]:
        with listed(visit.database.reading, asked.filter, limit=LINES + 1, after=asked.after) as rows:
            return list(islice(rows, LINES + 1))

    found = visit.block(read)
    lines = found.value or []
    older = {**asked.fields, "after": lines[LINES - 1].id} if len(lines) > LINES else None
    return visit.page(
        "pages/dead_letters/list.html",
        asked=asked,
        found=found,
        lines=lines[:LINES],
        older=older and link("/dead-letters/list", older),
        described=asked.filter.describe(),
    )


def _bars(group: Group) -> list[Bar]:
    return bars(group.parts, width=120, height=24)


def _cause(group: Group) -> dict[str, object]:
    """The filters that find a cause again: its reason's beginning, as long as an address may be."""
    return {
        "consumer": group.consumer,
        "error_class": group.error_class,
        "reason": group.reason[:_REASON],
    }


ROUTES = [
    Route("/dead-letters", causes, "dead_letters"),
    Route("/dead-letters/list", letters, "dead_letters"),
]
