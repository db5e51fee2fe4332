"""`/audit`: every change by an owner, what operators did with dead letters, and who read which text."""

from __future__ import annotations

from datetime import datetime

import msgspec
from psycopg2.extensions import cursor
from starlette.responses import Response

from prompt_worker.console.pages.named import Name
from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.deadletters.history import past_actions
from prompt_worker.prompts.authoring.reading.history import history, verify_chain

LINES = 100
ACTIONS = 30
_REVEALS = "SELECT at, who, kind, subject::text FROM console_audit ORDER BY id DESC LIMIT %s"


class Asked(msgspec.Struct):
    """`subject`: the name of a prompt, a guardrail, an experiment or a category."""

    subject: Name | None = None


class Reveal(msgspec.Struct, frozen=True):
    """Somebody read the texts of something."""

    at: datetime
    who: str
    kind: str
    subject: str


def audit(visit: Visit) -> Response:
    asked, database = visit.query(Asked), visit.database
    return visit.page(
        "pages/audit.html",
        asked=asked,
        lines=LINES,
        history=visit.block(lambda: history(database.reading, asked.subject, limit=LINES)),
        chain=visit.block(lambda: verify_chain(database.reading)),
        actions=visit.block(lambda: past_actions(database.reading, ACTIONS), "dead_letters"),
        reveals=visit.block(lambda: database.read(_reveals), "reveals"),
    )


def _reveals(cursor: cursor) -> list[Reveal]:
    cursor.execute(_REVEALS, (LINES,))
    return [Reveal(*row) for row in cursor]


ROUTES = [Route("/audit", audit, "prompts")]
