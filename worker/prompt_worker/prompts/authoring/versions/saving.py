"""Saving versions: checked first, then all in one transaction. None of them is active."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.prompts.authoring.acting import EDITOR, Actor, changing, reading
from prompt_worker.prompts.authoring.checks.checking import Checked, check_versions
from prompt_worker.prompts.authoring.checks.surroundings import read_surroundings
from prompt_worker.prompts.authoring.naming import checked_name
from prompt_worker.prompts.authoring.refusals import ReleaseError
from prompt_worker.prompts.authoring.storable import has_nul
from prompt_worker.prompts.authoring.stored import Head, read_heads
from prompt_worker.prompts.authoring.versions.planning import Candidate, Planned, plan
from prompt_worker.prompts.content import Content
from prompt_worker.prompts.errors import PromptError, short
from prompt_worker.prompts.version import Stored

_INSERT = statement(__name__, "insert_version")
_TRANSLATION = statement(__name__, "insert_translation")
_HASH = "SELECT content_sha256 FROM prompt_templates WHERE id = %s"


class UnstorableError(PromptError):
    """A content that the database has no form for."""


class Proposal(msgspec.Struct, frozen=True):
    """What saving would do: each candidate as it compares, and what the check of the new ones found.

    `checked` also has the prompts that include one of them.
    """

    planned: list[Planned]
    checked: list[Checked]

    @property
    def faults(self) -> list[Checked]:
        return [each for each in self.checked if each.error is not None]

    @property
    def refused(self) -> list[Planned]:
        return [each for each in self.planned if each.action == "refused"]

    @property
    def can_be_saved(self) -> bool:
        return not self.faults and not self.refused


def propose(session: Session, candidates: Sequence[Candidate]) -> Proposal:
    """Compares and checks; changes nothing.

    Raises `BadNameError`, `UnstorableError`, `NotAllowedError`, `DeploymentError`.
    """
    for each in candidates:
        if has_nul([each.description, each.category, msgspec.to_builtins(each.content)]):
            raise UnstorableError(
                f"{short(each.name)} holds a NUL character, which the database cannot store"
            )
    named = [msgspec.structs.replace(each, name=checked_name(each.name)) for each in candidates]

    def read(cursor: cursor) -> tuple[list[Head], list[Stored]]:
        return read_heads(cursor), read_surroundings(cursor, [each.content for each in named])

    heads, others = reading(session, read)
    planned = plan(named, heads)
    new = [_as_stored(each) for each in planned if each.saves]
    return Proposal(planned, check_versions(new, others) if new else [])


def save(session: Session, actor: Actor, proposal: Proposal) -> list[Planned]:
    """Saves what is new in it, all or nothing: each with the version that has its content now.

    What another has saved meanwhile is not saved twice. Raises `ReleaseError` for a proposal with faults.
    """
    if not proposal.can_be_saved:
        raise ReleaseError("nothing was saved: a content has a fault")
    if not any(each.saves for each in proposal.planned):
        return proposal.planned
    return changing(session, actor, EDITOR, partial(_save, proposal.planned, actor.name))


def _save(planned: Sequence[Planned], by: str, cursor: cursor) -> list[Planned]:
    return [_saved(cursor, each, by) if each.saves else each for each in planned]


def _saved(cursor: cursor, planned: Planned, by: str) -> Planned:
    content = planned.candidate.content
    cursor.execute("SAVEPOINT candidate")
    cursor.execute(_INSERT, _columns(planned, by))
    ((id_, version),) = cursor.fetchall()
    # The number is this transaction's alone, so that whoever saved the same before has committed.
    (now,) = plan(
        [planned.candidate],
        [each for each in read_heads(cursor, planned.candidate.name) if each.version != version],
    )
    if not now.saves:
        cursor.execute("ROLLBACK TO SAVEPOINT candidate")
        return now
    for language, text in content.translations.items():
        messages = None if isinstance(text, str) else _json(text)
        cursor.execute(_TRANSLATION, (id_, language, text if isinstance(text, str) else None, messages))
    cursor.execute(_HASH, (id_,))
    ((sha256,),) = cursor.fetchall()
    if sha256 != content.sha256:
        raise ReleaseError(
            f"{short(planned.candidate.name)} was not saved: the database keeps another content than it was given, "
            "such as a number that JSON cannot hold exactly"
        )
    return msgspec.structs.replace(planned, version=version)


def _columns(planned: Planned, by: str) -> dict[str, Any]:
    content: Content = planned.candidate.content
    return {
        "name": planned.candidate.name,
        "parent": planned.before,
        "description": planned.candidate.description,
        "category": planned.candidate.category,
        "template_text": content.template_text,
        "messages": None if content.messages is None else _json(content.messages),
        "variables": _json(content.variables),
        "model_config": _json(content.model_config),
        "output_schema": None if content.output_schema is None else _json(content.output_schema),
        "by": by,
    }


def _json(value: Any) -> str:
    return json.dumps(msgspec.to_builtins(value), ensure_ascii=False)


def _as_stored(planned: Planned) -> Stored:
    candidate = planned.candidate
    return Stored(
        name=candidate.name,
        version=planned.version,
        content=candidate.content,
        sha256=candidate.content.sha256,
    )
