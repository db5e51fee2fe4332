"""Saved inputs of a prompt: on each of them a version is tried before it is activated.

They may be what a user wrote. Whoever may not read that sees their shape, and works with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.prompts.authoring.acting import Actor, changing, reading
from prompt_worker.prompts.authoring.refusals import ReleaseError
from prompt_worker.prompts.authoring.storable import unstorable
from prompt_worker.prompts.authoring.stored import missing, read_heads
from prompt_worker.prompts.errors import PromptError, short

CASE_EDITOR = "prompt_case_editor"
# Of a name: all of them are rendered before each activation.
CASES_LIMIT = 200
# Characters of a case as JSON, and of its note.
SIZE_LIMIT = 1_000_000
NOTE_LIMIT = 500
_MAY_READ = "SELECT has_column_privilege('prompt_cases', 'input_variables', 'SELECT')"
_READ = "SELECT id, note, input_variables, language FROM prompt_cases WHERE name = %s ORDER BY id"
_MASKED = "SELECT id, note, input_variables, language FROM masked_prompt_cases(%s)"
_LIST = statement(__name__, "cases")
_SAVE = "INSERT INTO prompt_cases (name, input_variables, language, note) VALUES (%s, %s::jsonb, %s, %s) RETURNING id"
_IMPORT = statement(__name__, "import_case")
_REMOVE = "DELETE FROM prompt_cases WHERE name = %s AND id = %s"
_COUNT = "SELECT count(*) FROM prompt_cases WHERE name = %s"


class CaseError(PromptError):
    """Variables that are none, or a case or an execution that is not there."""

    exit_code = 65


class Case(msgspec.Struct, frozen=True):
    """One as it is rendered: of whoever may not read texts, with its values masked."""

    id: int
    note: str | None
    variables: dict[str, Any]
    language: str | None

    def __str__(self) -> str:
        return f"case {self.id}" + (f" ({short(self.note)})" if self.note else "")


class Saved(msgspec.Struct, frozen=True):
    """One as it is listed. `execution`: what it was taken from."""

    id: int
    note: str | None
    variables: dict[str, Any]
    language: str | None
    execution: UUID | None
    created_by: str | None
    created_at: datetime


class Cases(msgspec.Struct, frozen=True):
    """`shown`: whether the variables are as they were saved; else masked."""

    cases: list[Saved]
    shown: bool


def list_cases(session: Session, name: str) -> Cases:
    """In the order in which they were saved. Raises `UnknownPromptError`, `NotAllowedError`, `DeploymentError`."""

    def read(cursor: cursor) -> Cases:
        _check_name(cursor, name)
        given = {case.id: case for case in read_cases(cursor, name)}
        cursor.execute(_LIST, (name,))
        saved = [
            Saved(id_, case.note, case.variables, case.language, execution and UUID(execution), by, at)
            for id_, execution, by, at in cursor
            if (case := given.get(id_)) is not None
        ]
        return Cases(saved, _may_read(cursor))

    return reading(session, read)


def read_cases(cursor: cursor, name: str) -> list[Case]:
    """For rendering."""
    cursor.execute(_READ if _may_read(cursor) else _MASKED, (name,))
    return [Case(*row) for row in cursor]


def save_case(
    session: Session, actor: Actor, name: str, variables: Any, *, language: str | None, note: str | None
) -> int:
    """The number of the new one.

    Raises `CaseError`, `ReleaseError`, `UnknownPromptError`, `NotAllowedError`, `DeploymentError`.
    """
    if not isinstance(variables, dict):
        raise CaseError('the variables of a case are a JSON object, such as {"question": "Why?"}')
    if problem := unstorable([variables, language]):
        raise CaseError(f"the case cannot be saved: {problem}")
    body = json.dumps(variables, ensure_ascii=False)
    if len(body) > SIZE_LIMIT:
        raise CaseError(f"the case has {len(body):,} characters: at most {SIZE_LIMIT:,} are allowed")
    return _saved(session, actor, name, note, partial(_insert, name, body, language, note))


def import_case(session: Session, actor: Actor, name: str, execution: UUID, *, note: str | None) -> int:
    """Takes what an execution was given; the number of the new case. Needs the right to read texts, too.

    Raises as `save_case` does.
    """

    def insert(cursor: cursor) -> int:
        cursor.execute(_IMPORT, {"name": name, "execution": str(execution), "note": note})
        found = cursor.fetchone()
        if found is None:
            raise CaseError(f"there is no execution {execution} of {short(name)}")
        return int(found[0])

    return _saved(session, actor, name, note, insert, role=f"{CASE_EDITOR} with prompt_text_reader")


def remove_case(session: Session, actor: Actor, name: str, number: int) -> None:
    """Raises `CaseError` where there is none, `NotAllowedError`, `DeploymentError`."""

    def remove(cursor: cursor) -> None:
        cursor.execute(_REMOVE, (name, number))
        if cursor.rowcount != 1:
            raise CaseError(f"{short(name)} has no case {number}: 'prompt-worker prompts cases' lists them")

    changing(session, actor, CASE_EDITOR, remove)


def _saved(
    session: Session,
    actor: Actor,
    name: str,
    note: str | None,
    insert: Callable[[cursor], int],
    *,
    role: str = CASE_EDITOR,
) -> int:
    if problem := unstorable(note):
        raise CaseError(f"the note cannot be saved: {problem}")
    if note is not None and len(note) > NOTE_LIMIT:
        raise CaseError(f"the note has {len(note):,} characters: at most {NOTE_LIMIT} are allowed")

    def save(cursor: cursor) -> int:
        _check_name(cursor, name)
        cursor.execute(_COUNT, (name,))
        ((number,),) = cursor.fetchall()
        if number >= CASES_LIMIT:
            raise ReleaseError(f"{short(name)} has {number} cases, the most that are tried: remove one first")
        return insert(cursor)

    return changing(session, actor, role, save)


def _insert(name: str, body: str, language: str | None, note: str | None, cursor: cursor) -> int:
    cursor.execute(_SAVE, (name, body, language, note))
    ((number,),) = cursor.fetchall()
    return int(number)


def _check_name(cursor: cursor, name: str) -> None:
    if not read_heads(cursor, name):
        raise missing(name, 0, [])


def _may_read(cursor: cursor) -> bool:
    cursor.execute(_MAY_READ)
    ((may,),) = cursor.fetchall()
    return bool(may)
