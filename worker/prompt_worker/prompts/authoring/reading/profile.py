"""Everything about one version, and its name's other versions."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.prompts.authoring.acting import reading
from prompt_worker.prompts.authoring.checks.checking import references
from prompt_worker.prompts.authoring.reading.listing import Listed, read_listed
from prompt_worker.prompts.authoring.reading.rollout import Rollout, running_rollout
from prompt_worker.prompts.authoring.stored import (
    Head,
    Version,
    find_version,
    read_heads,
    read_versions,
)

_REVIEWS = statement(__name__, "reviews")
_NEEDED = statement(__name__, "approvals_needed")
_RULES = "SELECT rules FROM prompt_names WHERE name = %s"


class Review(msgspec.Struct, frozen=True):
    """What somebody said of the content with this hash, with the fragments that it included then."""

    verdict: str
    reviewer: str
    login: str
    comment: str | None
    at: datetime
    sha256: str
    includes: dict[str, Any]


class Profile(msgspec.Struct, frozen=True):
    """`included_by`: the prompts in production that include this name. `rules` are its name's, in their order.

    `rollout`: the one that is running.
    """

    version: Version
    listed: Listed
    versions: list[Head]
    reviews: list[Review]
    approvals_needed: int
    includes: list[str]
    included_by: list[str]
    rollout: Rollout | None
    rules: list[Any]


def profile(session: Session, name: str, version: int | None = None) -> Profile:
    """Of that version, else of the one in production, else of the newest.

    Raises `UnknownPromptError`, `VersionGoneError`, `NotAllowedError`, `DeploymentError`.
    """
    return reading(session, partial(_read, name, version))


def _read(name: str, number: int | None, cursor: cursor) -> Profile:
    version = find_version(cursor, name, number)
    (listed,) = read_listed(cursor, name)
    key = {"name": name, "version": version.version}
    cursor.execute(_REVIEWS, key)
    reviews = [Review(*row) for row in cursor]
    cursor.execute(_NEEDED, key)
    ((needed,),) = cursor.fetchall()
    included_by = [
        each.name
        for each in read_versions(cursor, production=True)
        if each.content is not None and references(each.content) & {name, version.ref}
    ]
    includes = sorted(references(version.content)) if version.content is not None else []
    return Profile(
        version=version,
        listed=listed,
        versions=read_heads(cursor, name),
        reviews=reviews,
        approvals_needed=needed,
        includes=includes,
        included_by=included_by,
        rollout=running_rollout(cursor, name),
        rules=_rules(cursor, name),
    )


def _rules(cursor: cursor, name: str) -> list[Any]:
    cursor.execute(_RULES, (name,))
    return [rule for (rules,) in cursor for rule in rules]


def two_versions(
    session: Session, name: str, before: int | None, after: int | None
) -> tuple[Version | None, Version]:
    """What `diff` compares. `after`: by default the newest; `before`: the one in production, else the one before it.

    None before the first one. Raises as `profile` does.
    """

    def read(cursor: cursor) -> tuple[Version | None, Version]:
        heads = read_heads(cursor, name)
        new = find_version(cursor, name, after if after is not None or not heads else heads[-1].version)
        if before is not None:
            return find_version(cursor, name, before), new
        production = [head.version for head in heads if head.is_production and head.version != new.version]
        older = [head.version for head in heads if head.version < new.version]
        number = production[0] if production else older[-1] if older else None
        return (None if number is None else find_version(cursor, name, number)), new

    return reading(session, read)
