"""`/dead-letter`: all about one dead letter. Its texts are hidden until somebody asks, which is recorded first."""

from __future__ import annotations

import json
from functools import partial
from uuid import UUID

import msgspec
from starlette.responses import Response

from prompt_worker.console.access.revealing import record_reveal
from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.deadletters.kinds import KINDS
from prompt_worker.deadletters.letter import Letter, find, shown


class Asked(msgspec.Struct):
    """Its own id, or its event's."""

    id: UUID


def letter(visit: Visit) -> Response:
    return _page(visit, find(visit.database.reading, visit.query(Asked).id), revealed=False)


def reveal(visit: Visit) -> Response:
    found = find(visit.database.acting, visit.query(Asked).id)
    visit.database.acting.run(partial(record_reveal, kind="dead_letter", subject=UUID(str(found["id"]))))
    return _page(visit, found, revealed=True)


def _page(visit: Visit, found: Letter, *, revealed: bool) -> Response:
    payload = shown(found["payload"], reveal=revealed, kind=KINDS[found["consumer"]])
    return visit.page(
        "pages/dead_letters/dead_letter.html",
        found=found,
        size=len(found["payload"]),
        payload=payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False, indent=2),
        revealed=revealed,
    )


ROUTES = [
    Route("/dead-letter", letter, "dead_letters"),
    Route("/dead-letter", reveal, "texts", "POST"),
]
