"""A version of the registry as a service would render it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.acting import reading
from prompt_worker.prompts.authoring.checks.checking import references
from prompt_worker.prompts.authoring.checks.surroundings import read_surroundings
from prompt_worker.prompts.authoring.stored import Version, find_version
from prompt_worker.prompts.prompt import Rendered
from prompt_worker.prompts.snapshot.snapshot import Snapshot
from prompt_worker.prompts.version import Stored


def render(
    session: Session, name: str, version: int | None, language: str | None, variables: Mapping[str, Any]
) -> Rendered:
    """That version, else the one in production, else the newest; with what it includes as that is now.

    Raises `UnknownPromptError`, `VersionGoneError`, `VariablesError`, `RenderError`, `NotAllowedError`,
    `DeploymentError`.
    """
    found, others = reading(session, partial(_read, name, version))
    stored = found.as_stored(is_active=False)
    snapshot = Snapshot.build([*_reachable(stored, others), stored])
    return snapshot.find(name, found.version, language).render(variables)


def _read(name: str, number: int | None, cursor: cursor) -> tuple[Version, list[Stored]]:
    found = find_version(cursor, name, number)
    return found, read_surroundings(cursor, [found.readable()])


def _reachable(stored: Stored, others: Iterable[Stored]) -> Iterable[Stored]:
    """What it includes, also through others: the rest need not be compiled."""
    known = {f"{each.name}@{each.version}": each for each in others}
    known |= {each.name: each for each in known.values() if each.is_active}
    found: dict[str, Stored] = {}
    waiting = [stored]
    while waiting:
        for reference in references(waiting.pop().content):
            if reference in known and reference not in found:
                found[reference] = known[reference]
                waiting.append(known[reference])
    return found.values()
