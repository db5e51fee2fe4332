"""Labels: names that services ask a version by, moved by hand."""

from __future__ import annotations

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.acting import APPROVER, Actor, changing
from prompt_worker.prompts.authoring.naming import checked_label
from prompt_worker.prompts.authoring.refusals import ReleaseError
from prompt_worker.prompts.authoring.releases.ruling import rules_of
from prompt_worker.prompts.authoring.stored import find_version
from prompt_worker.prompts.errors import UnknownPromptError, short

_NOW = (
    "SELECT t.version FROM prompt_labels l JOIN prompt_templates t ON t.id = l.template_id "
    "WHERE l.name = %s AND l.label = %s"
)
_SET = (
    "INSERT INTO prompt_labels (name, label, template_id) VALUES (%s, %s, %s) "
    "ON CONFLICT (name, label) DO UPDATE SET template_id = excluded.template_id"
)
_REMOVE = "DELETE FROM prompt_labels WHERE name = %s AND label = %s"


class Labelled(msgspec.Struct, frozen=True):
    """Where a label was and is now; None for nowhere."""

    name: str
    label: str
    before: int | None
    now: int | None


def move_label(session: Session, actor: Actor, name: str, label: str, version: int | None) -> Labelled:
    """To `version`; None removes it: services that ask for it get an error from then on.

    Raises `BadNameError`, `UnknownPromptError`, `VersionGoneError`, `ReleaseError` for one that a rule serves,
    `NotAllowedError`, `DeploymentError`.
    """
    checked_label(label)

    def move(cursor: cursor) -> Labelled:
        wanted = find_version(cursor, name, version)
        cursor.execute(_NOW, (name, label))
        found = cursor.fetchone()
        before = found[0] if found else None
        if version is None:
            if before is None:
                raise UnknownPromptError(f"{short(name)} has no label {label}")
            _check_unused(cursor, name, label)
            cursor.execute(_REMOVE, (name, label))
        elif before != version:
            cursor.execute(_SET, (name, label, str(wanted.id)))
        return Labelled(name, label, before, version)

    return changing(session, actor, APPROVER, move)


def _check_unused(cursor: cursor, name: str, label: str) -> None:
    for number, rule in enumerate(rules_of(cursor, name), 1):
        if isinstance(rule, dict) and rule.get("label") == label:
            raise ReleaseError(
                f"label {label} of {short(name)} is what rule {number} serves: change the rules first"
            )
