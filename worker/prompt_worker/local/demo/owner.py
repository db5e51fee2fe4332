"""The demonstration's owner of prompts, who saves and releases versions as `prompts create` and `activate` do."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.acting import Actor
from prompt_worker.prompts.authoring.releases.activating import Activated, activate
from prompt_worker.prompts.authoring.releases.gate.examining import examine
from prompt_worker.prompts.authoring.stored import Version, find_version
from prompt_worker.prompts.authoring.versions.planning import Candidate
from prompt_worker.prompts.authoring.versions.saving import propose, save

NAME = "demo"


def production(session: Session, name: str) -> Version:
    """The version that is active. Raises `UnknownPromptError`, `DeploymentError`."""

    def read(cursor: cursor) -> Version:
        return find_version(cursor, name)

    return session.run(read)


def save_changed(session: Session, changes: Mapping[str, tuple[str, str]]) -> list[int]:
    """Of the version in production of each name one with a text replaced by another, or back; none of them is active.

    What was saved before is not saved again.
    """
    candidates = [_candidate(production(session, name), *texts) for name, texts in changes.items()]
    return [each.version for each in save(session, Actor(NAME), propose(session, candidates))]


def _candidate(before: Version, one: str, other: str) -> Candidate:
    content = before.readable()
    text = content.template_text
    changed = text.replace(one, other) if one in text else text.replace(other, one)
    # Of a text that is somebody else's by now.
    changed = changed if changed != text else f"{text}\n"
    return Candidate(
        name=before.name,
        content=msgspec.structs.replace(content, template_text=changed),
        description=before.description,
        category=before.category,
    )


def release(session: Session, name: str, version: int) -> Activated:
    """Rendered over what its prompt was really given, and then active."""
    examined = examine(session, name, version)
    return activate(session, Actor(NAME, reason="the demonstration releases it"), examined)
