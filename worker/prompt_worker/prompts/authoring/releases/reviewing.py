"""Reviews: what somebody says of a content, and of the fragments that it includes as they are now."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.acting import APPROVER, Actor, changing, reading
from prompt_worker.prompts.authoring.checks.checking import check_versions
from prompt_worker.prompts.authoring.checks.surroundings import read_surroundings
from prompt_worker.prompts.authoring.refusals import ReleaseError
from prompt_worker.prompts.authoring.stored import Version, find_version
from prompt_worker.prompts.errors import short
from prompt_worker.prompts.version import Stored

Verdict = Literal["approved", "rejected"]
_PINNED = re.compile(r".+@[1-9][0-9]*", re.DOTALL)
_INSERT = (
    "INSERT INTO prompt_reviews (template_id, content_sha256, includes, verdict, comment) "
    "VALUES (%s, %s, %s::jsonb, %s, %s)"
)


class Reviewed(msgspec.Struct, frozen=True):
    """A review that was stored. `includes`: the ref of each fragment with its hash."""

    name: str
    version: int
    verdict: Verdict
    sha256: str
    includes: dict[str, str]


def review(
    session: Session, actor: Actor, name: str, version: int, verdict: Verdict, *, sha256: str | None = None
) -> Reviewed:
    """Stores a review with the actor's reason as its comment, bound to the content as it is now.

    `sha256`: the content that was read, or the beginning of its hash; another one is refused. A version that cannot be
    served is not approved. Raises `ReleaseError`, `VersionGoneError`, `NotAllowedError`, `DeploymentError`.
    """
    found, others = reading(session, partial(read_candidate, name, version))
    if sha256 is not None and not found.sha256.startswith(sha256.lower()):
        raise ReleaseError(
            f"{short(found.ref)} is not the content that was read: it is {found.sha256[:12]} now, read it again"
        )
    includes: dict[str, str] = {}
    if verdict == "approved":
        (checked,) = check_versions([found.as_stored(is_active=False)], others)
        if checked.error is not None:
            raise ReleaseError(
                f"{short(found.ref)} cannot be approved, as it cannot be served: {checked.error}"
            )
        includes = resolved(checked.included, others)

    def insert(cursor: cursor) -> Reviewed:
        now = find_version(cursor, name, version)
        if now.sha256 != found.sha256:
            raise ReleaseError(f"{short(found.ref)} was changed just now: read it again")
        cursor.execute(_INSERT, (str(now.id), now.sha256, json.dumps(includes), verdict, actor.reason))
        return Reviewed(name, version, verdict, now.sha256, includes)

    return changing(session, actor, APPROVER, insert)


def read_candidate(name: str, version: int, cursor: cursor) -> tuple[Version, list[Stored]]:
    """A version, and all that it is compiled with. Raises `VersionGoneError`, `UnreadableError`."""
    found = find_version(cursor, name, version)
    return found, read_surroundings(cursor, [found.readable()])


def resolved(included: Mapping[str, str], others: Sequence[Stored]) -> dict[str, str]:
    """The ref of each fragment with its hash: a name alone is the version in production."""
    production = {each.name: each.version for each in others if each.is_active}
    return {
        reference if _PINNED.fullmatch(reference) else f"{reference}@{production[reference]}": sha256
        for reference, sha256 in included.items()
    }
