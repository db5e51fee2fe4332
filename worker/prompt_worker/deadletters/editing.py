"""`prompt-worker dead-letters edit`: a corrected copy of a dead letter, which is then not replayed any more itself."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from uuid import UUID

import psycopg2
from psycopg2.extensions import cursor
from rich.console import Console

from prompt_worker.commands.dead_letters.tables import printable_lines
from prompt_worker.deadletters.audit import audited
from prompt_worker.deadletters.correction import FIELDS, CorrectionError, difference, pretty
from prompt_worker.deadletters.reading import read_payload
from prompt_worker.event.execution import InvalidEventError, parse
from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement

_FIND = statement(__name__, "find_dead_letter")
_COPY = statement(__name__, "copy_dead_letter")
_SAME_EVENT = """
SELECT d.id FROM dead_letter_events AS d JOIN dead_letter_events AS original USING (consumer)
WHERE d.event_key = %s AND original.id = %s AND d.superseded_by IS NULL
"""

Correct = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Original:
    """What is edited."""

    id: UUID
    event_id: UUID | None
    payload: bytes
    status: str
    superseded_by: UUID | None

    def check(self) -> None:
        """Raises `CorrectionError` where it is too late."""
        if self.superseded_by:
            raise CorrectionError(f"{self.id} was edited before: edit its copy, {self.superseded_by}")
        if self.status == "replayed":
            raise CorrectionError(
                f"{self.id} was sent and is not settled yet: wait until it is a row or failed again"
            )
        if self.status == "resolved":
            raise CorrectionError(f"{self.id} needs no correction: its event is stored")


def edit(session: Session, id_: UUID, correct: Correct, *, by: str, reveal: bool, console: Console) -> int:
    """Keeps what `correct` makes of the body, once it is a valid event. Raises `CorrectionError`, `DeploymentError`."""
    original = session.run(lambda cursor: _find(cursor, id_))
    body = correct(original.payload)
    if body == original.payload:
        console.print("nothing changed, nothing kept")
        return 0
    try:
        copy = _keep_audited(session, original, body, by)
    except (CorrectionError, DeploymentError) as error:
        if correct is in_editor:
            kept = _write(body)
            raise type(error)(f"{error}. Your text is in {kept}: --file takes it") from None
        raise
    for line in difference(original.payload, body, reveal=reveal):
        console.print(printable_lines(line))
    console.print(f"kept as {copy}, which is replayed instead of {id_}")
    return 0


def _keep_audited(session: Session, original: Original, body: bytes, by: str) -> UUID:
    _validate(original, body)
    changed = difference(original.payload, body, reveal=False)
    names = sorted({line[2:].partition(":")[0] for line in changed} & FIELDS)  # others may be anybody's text
    with audited(session, "edit", by, {"id": str(original.id)}, {"fields": names}) as action:

        def keep(cursor: cursor) -> UUID:
            copy = _keep(cursor, _find(cursor, original.id), body)
            action.record(cursor, [(original.id, original.event_id, "edited", f"its copy is {copy}")])
            return copy

        return session.run(keep)


def in_editor(body: bytes) -> bytes:
    """What the user's $EDITOR leaves of it. Raises `CorrectionError`."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise CorrectionError("EDITOR is not set: set it, or give --set FIELD=VALUE or --file FILE")
    shown = pretty(body).encode()
    path = _write(shown)
    try:
        code = subprocess.run([*shlex.split(editor), str(path)], check=False).returncode
        written = path.read_bytes()
    except OSError as error:
        raise CorrectionError(f"EDITOR {editor}: {error.strerror}") from None
    finally:
        path.unlink(missing_ok=True)
    if code:
        raise CorrectionError(f"EDITOR {editor} ended with {code}: nothing is kept")
    return body if written == shown else written


def _write(text: bytes) -> Path:
    """Into a file that the user alone may read."""
    descriptor, name = tempfile.mkstemp(prefix="dead-letter-", suffix=".json")
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
    return Path(name)


def _validate(original: Original, body: bytes) -> None:
    try:
        event, _ = parse(body)
    except InvalidEventError as error:
        raise CorrectionError(f"not kept, it would fail again: {error}") from None
    if original.event_id not in (None, event.event_id):
        raise CorrectionError(f"not kept: event_id must stay {original.event_id}")


def _find(cursor: cursor, id_: UUID) -> Original:
    """Held until the transaction ends."""
    cursor.execute(_FIND, {"id": id_})
    found = cursor.fetchone()
    if found is None:
        raise CorrectionError(f"no dead letter {id_}: 'prompt-worker dead-letters list' shows them")
    found_id, event_id, payload, status, superseded_by = found
    original = Original(found_id, event_id, bytes(payload), status, superseded_by)
    original.check()
    return original


def _keep(cursor: cursor, original: Original, body: bytes) -> UUID:
    payload = read_payload(body)
    cursor.execute(
        "UPDATE dead_letter_events SET status = 'discarded', discard_reason = 'edited', changed_at = now(), "
        "superseded_by = uuid_v7() WHERE id = %s RETURNING superseded_by",
        (original.id,),
    )
    ((copy,),) = cursor.fetchall()
    cursor.execute(_SAME_EVENT, (str(payload.event_id), original.id))
    if other := cursor.fetchone():
        raise CorrectionError(
            f"not kept: {other[0]} is a dead letter of event {payload.event_id} already. "
            "Edit or replay that one; 'prompt-worker dead-letters discard' gives others up"
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
