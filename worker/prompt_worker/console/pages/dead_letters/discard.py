"""`/dead-letters/discard`: dead letters that are given up, for a reason."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from prompt_worker.console.pages.dead_letters.filtering import Filtered
from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.deadletters.ending import Ending, carry_out, prepare_discard
from prompt_worker.platform.process.wakeup import Wakeup


class Confirmed(msgspec.Struct):
    """What was shown: how many, as they were then."""

    before: datetime
    number: int
    reason: Annotated[str, Meta(min_length=1, max_length=2000)]


def ask(visit: Visit) -> Response:
    asked = visit.query(Filtered)
    return visit.page(
        "pages/dead_letters/discard.html",
        asked=asked,
        ending=prepare_discard(visit.database.acting, asked.filter, ""),
        described=asked.filter.describe(),
    )


def act(visit: Visit) -> Response:
    """What changed since it was shown is left alone."""
    asked, confirmed = visit.query(Filtered), visit.form(Confirmed)
    ending = Ending("discarded", asked.filter, confirmed.before, confirmed.number, confirmed.reason)
    carry_out(visit.database.acting, ending, by=visit.who[:255], stop=Wakeup(), progress=lambda _: None)
    return visit.see("/dead-letters", **{**asked.fields, "status": "discarded"})


ROUTES = [
    Route("/dead-letters/discard", ask, "settle"),
    Route("/dead-letters/discard", act, "settle", "POST"),
]
