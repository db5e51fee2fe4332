"""A corrected copy of a dead letter, replayed instead of the original."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast
from uuid import UUID

import psycopg2
from psycopg2.extensions import cursor

from prompt_worker.deadletters.audit import Effect, audited
from prompt_worker.deadletters.correction import CorrectionError, changed_fields
from prompt_worker.deadletters.kinds import KINDS, Kind
from prompt_worker.deadletters.reading import read_payload
from prompt_worker.event.refusal import InvalidEventError
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement

_LOCK = statement(__name__, "lock_dead_letter")
_COPY = statement(__name__, "copy_dead_letter")
_SUPERSEDE = statement(__name__, "supersede_dead_letter")
_SAME_EVENT = statement(__name__, "find_same_event")


@dataclass(frozen=True)
class Original:
    """A dead letter that may be corrected, with its body as it was rejected, and what its body should be."""

    id: UUID
    event_id: UUID | None
    payload: bytes
    kind: Kind


@dataclass(frozen=True)
class Edited:
    """What was changed: the original, the id of its copy, and the copy's body."""

    original: Original
    copy: UUID
    payload: bytes


def find_original(session: Session, id_: UUID) -> Original:
    """Raises `CorrectionError` where there is none or it is too late to edit it, and `DeploymentError`."""
    return session.run(lambda cursor: _lock(cursor, id_))


def edit(session: Session, original: Original, body: bytes, *, by: str) -> Edited:
    """Saves `body`, which must be a valid event, as the copy. Raises `CorrectionError`, `DeploymentError`."""
    _validate(original, body)
    # Other names than an event's own may hold anybody's text.
    names = sorted(set(original.kind.fields) & set(changed_fields(original.payload, body)))
    with audited(session, "edit", by, {"id": str(original.id)}, {"fields": names}) as entry:

        def save(cursor: cursor) -> UUID:
            copy = _save(cursor, _lock(cursor, original.id), body)
            entry.record(cursor, [Effect(original.id, original.event_id, "edited", f"its copy is {copy}")])
            return copy

        return Edited(original, session.run(save), body)


def _validate(original: Original, body: bytes) -> None:
    try:
        event, _ = original.kind.parse(body)
    except InvalidEventError as error:
        raise CorrectionError(f"not saved, it would fail again: {error}") from None
    if original.event_id not in (None, event.event_id):
        raise CorrectionError(f"not saved: event_id must stay {original.event_id}")


def _lock(cursor: cursor, id_: UUID) -> Original:
    """Locked until the transaction ends."""
    cursor.execute(_LOCK, {"id": id_})
    found = cursor.fetchone()
    if found is None:
        raise CorrectionError(f"no dead letter {id_}: 'prompt-worker dead-letters list' shows them")
    found_id, event_id, payload, status, superseded_by, consumer = found
    if superseded_by:
        raise CorrectionError(f"{id_} was edited before: edit its copy, {superseded_by}")
    if status == "replayed":
        raise CorrectionError(
            f"{id_} was sent and is not settled yet: wait until it is a row or failed again"
        )
    if status == "resolved":
        raise CorrectionError(f"{id_} needs no correction: its event is stored")
    return Original(found_id, event_id, bytes(payload), KINDS[consumer])


def _save(cursor: cursor, original: Original, body: bytes) -> UUID:
    payload = read_payload(body)
    cursor.execute(_SUPERSEDE, {"id": original.id})
    ((copy,),) = cursor.fetchall()
    cursor.execute(_SAME_EVENT, {"event_id": str(payload.event_id), "original": original.id})
    if other := cursor.fetchone():
        raise CorrectionError(
            f"not saved: {other[0]} is already a dead letter of event {payload.event_id}. "
            "Edit or replay that one; 'prompt-worker dead-letters discard' discards the others"
        )
    cursor.execute(
        _COPY,
        {
            "id": copy,
            "original": original.id,
            "event_id": payload.event_id,
            "template_name": payload.template_name,
            "template_version": payload.template_version,
            "environment": payload.environment,
            "payload": psycopg2.Binary(body),
        },
    )
    return cast(UUID, copy)
