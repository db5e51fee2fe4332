"""`/execution`: all about one execution. Its texts are hidden until somebody asks, which is recorded first."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from psycopg2.extensions import cursor
from starlette.responses import Response

from prompt_worker.console.access.revealing import record_reveal
from prompt_worker.console.rendering.templates import LONGEST
from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.prompts.errors import UnknownPromptError

_FIND = statement(__name__, "execution")
_TEXTS = statement(__name__, "execution_texts")
_VIOLATIONS = statement(__name__, "execution_violations")
_LETTER = "SELECT id::text, status, last_seen FROM dead_letter_events WHERE event_id = %(id)s::uuid ORDER BY id DESC"
_ALL = (
    "e.request_id::text, e.session_id, e.user_id, e.execution_time_ms, e.token_count, e.cost_usd, e.error_type, "
    "e.guardrail_action, e.experiment_id::text, e.experiment_phase, e.assignment_unit, e.attempt"
)


class Asked(msgspec.Struct):
    """An execution, which has the id of its event."""

    id: UUID


class Text(msgspec.Struct, frozen=True):
    """One text of an execution, or its beginning; `length` is in characters."""

    name: str
    length: int
    text: str

    @property
    def is_whole(self) -> bool:
        return self.length <= LONGEST


class Violation(msgspec.Struct, frozen=True):
    """What a guardrail found: where and by which rule; `preview` is masked."""

    id: str
    guardrail_name: str
    field: str
    rule: str
    severity: str | None
    action: str | None
    preview: str | None
    false_positive_by: str | None


def execution(visit: Visit) -> Response:
    return _page(visit, visit.query(Asked).id)


def reveal(visit: Visit) -> Response:
    """Nothing is shown that is not recorded: both are one transaction."""
    wanted = visit.query(Asked).id
    return _page(visit, wanted, visit.database.acting.run(partial(_reveal, wanted)))


def _page(visit: Visit, wanted: UUID, texts: list[Text] | None = None) -> Response:
    read = partial(_read, wanted, "measures" in visit.rights)
    found = visit.database.read(read)
    if found is None:
        return _not_recorded(visit, wanted)
    return visit.page(
        "pages/executions/execution.html",
        id=wanted,
        found=found,
        texts=texts,
        violations=visit.block(lambda: visit.database.read(partial(_read_violations, wanted)), "violations"),
    )


def _not_recorded(visit: Visit, wanted: UUID) -> Response:
    """It may come yet, or have failed: then it is a dead letter."""
    letter = visit.block(lambda: visit.database.read(partial(_read_letter, wanted)), "dead_letters")
    if letter.value is None and letter.problem is None:
        raise UnknownPromptError(
            f"no execution has the id {wanted}, and no dead letter is of it: it was not published, or waits in Pub/Sub"
        )
    return visit.page("pages/executions/not_recorded.html", status=404, id=wanted, letter=letter)


def _read(wanted: UUID, measures: bool, cursor: cursor) -> dict[str, Any] | None:
    """Columns by name, without any text."""
    cursor.execute(_FIND.format(more=f", {_ALL}" if measures else ""), {"id": str(wanted)})
    row = cursor.fetchone()
    names = [column.name for column in cursor.description or ()]
    return None if row is None else dict(zip(names, row, strict=True))


def _read_violations(wanted: UUID, cursor: cursor) -> list[Violation]:
    cursor.execute(_VIOLATIONS, {"id": str(wanted)})
    return [Violation(*row) for row in cursor]


def _read_letter(wanted: UUID, cursor: cursor) -> tuple[Any, ...] | None:
    cursor.execute(_LETTER, {"id": str(wanted)})
    return cursor.fetchone()


def _reveal(wanted: UUID, cursor: cursor) -> list[Text]:
    record_reveal(cursor, "execution", wanted)
    cursor.execute(_TEXTS, {"id": str(wanted), "longest": LONGEST})
    return [Text(*row) for row in cursor]


ROUTES = [
    Route("/execution", execution, "executions"),
    Route("/execution", reveal, "texts", "POST"),
]
