"""`/dead-letters/replay`: what would become of dead letters now, and sending exactly those again."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from google.cloud.pubsub_v1 import PublisherClient
from msgspec import Meta
from starlette.responses import Response

from prompt_worker.console.pages.dead_letters.filtering import Filtered
from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.deadletters.replay.rehearsal import Fate, Rehearsal
from prompt_worker.deadletters.replay.replaying import Done, Options, replay
from prompt_worker.deadletters.replay.selection import Selection, select
from prompt_worker.deadletters.replay.sending import topics_of
from prompt_worker.platform.process.wakeup import Wakeup
from prompt_worker.platform.pubsub.topology import read_topology
from prompt_worker.platform.settings import Environment, ReplaySettings

# Dead letters that are sent at once: more than that is a command's work, which shows how far it is.
MOST = 500


class Confirmed(msgspec.Struct):
    """What was shown: how many, up to which id, as they were then."""

    before: datetime
    last: UUID
    number: Annotated[int, Meta(ge=1, le=MOST)]


def ask(visit: Visit) -> Response:
    asked = visit.query(Filtered)
    selection = _select(visit, asked)
    return visit.page(
        "pages/dead_letters/replay.html",
        asked=asked,
        selection=selection,
        last=visit.database.acting.run(selection.find_last),
        described=selection.filter.describe(),
        fates=visit.block(lambda: _rehearse(visit, selection)),
        most=MOST,
    )


def act(visit: Visit) -> Response:
    """What became pending since it was shown is left alone; a second press finds nothing to send."""
    asked, confirmed = visit.query(Filtered), visit.form(Confirmed)
    environment = Environment()
    topology = read_topology(environment)
    environment.check()
    selection = replace(
        _select(visit, asked), before=confirmed.before, last=confirmed.last, matching=confirmed.number
    )
    sent: Done | None = None
    with PublisherClient() as client:
        topics = topics_of(client, topology)
        steps = replay(
            visit.database.acting, topics, selection, Options(wait=0), by=visit.who[:255], stop=Wakeup()
        )
        with closing(steps):
            for step in steps:
                sent = step if isinstance(step, Done) else sent
    return visit.page("pages/dead_letters/replayed.html", asked=asked, sent=sent)


def _select(visit: Visit, asked: Filtered) -> Selection:
    environment = Environment()
    settings = environment.read(ReplaySettings)
    environment.check()
    pending = msgspec.structs.replace(asked, status=asked.status or "pending")
    return select(visit.database.acting, pending.filter, limit=MOST, most_replays=settings.max_replays)


def _rehearse(visit: Visit, selection: Selection) -> list[tuple[Fate, int]]:
    """Each fate with its number, the most frequent first; nothing is written."""
    counted: Counter[Fate] = Counter()
    for batch in Rehearsal(visit.database.acting).run(selection):
        counted.update(fate for _, fate in batch)
    return counted.most_common()


ROUTES = [
    Route("/dead-letters/replay", ask, "settle"),
    Route("/dead-letters/replay", act, "settle", "POST"),
]
