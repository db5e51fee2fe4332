"""Activation: the version that services serve from now on, as it was when it was examined."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.prompts.authoring.acting import APPROVER, Actor, changing
from prompt_worker.prompts.authoring.reading.rollout import running_rollout
from prompt_worker.prompts.authoring.refusals import ReleaseError
from prompt_worker.prompts.authoring.releases.gate.examining import Examined
from prompt_worker.prompts.authoring.stored import Head, Version, find_version, read_heads
from prompt_worker.prompts.errors import short

_ACTIVATE = statement(__name__, "activate")
_SINCE = (
    "SELECT coalesce((SELECT max(h.at) FROM prompt_history h WHERE h.kind = 'template' AND h.subject = %s "
    "AND h.version = %s AND h.action = 'activated'), r.changed_at), r.revision FROM prompt_registry r"
)
_PINNED = re.compile(r"(?P<name>.+)@(?P<version>[1-9][0-9]{0,8})", re.DOTALL)


class Activated(msgspec.Struct, frozen=True):
    """`before`: the version that it replaced, None for none; itself where it was active already.

    `at`: since when, by the clock of the database.
    """

    name: str
    version: int
    before: int | None
    at: datetime
    revision: int


def activate(
    session: Session,
    actor: Actor,
    examined: Examined,
    *,
    force: bool = False,
    then: Callable[[cursor], None] = lambda _: None,
) -> Activated:
    """Only as it was examined: a content or a fragment that changed since is refused.

    `force` activates what did not pass, for the actor's reason; `then` is part of the transaction. Raises
    `ReleaseError`, also while a rollout of the name is running, `NotApprovedError`, `NotAllowedError`,
    `DeploymentError`.
    """
    version = examined.version
    actor = releasing(actor, examined, force=force)

    def change(cursor: cursor) -> Activated:
        activated = _activate(cursor, version, examined.included, actor.name)
        then(cursor)
        _check_no_rollout(cursor, version.name)
        return activated

    return changing(session, actor, APPROVER, change)


def releasing(actor: Actor, examined: Examined, *, force: bool) -> Actor:
    """The actor, with what was forced in the reason. Raises `ReleaseError` for what did not pass and is not forced."""
    version = examined.version
    if not examined.passed:
        if not force:
            raise ReleaseError(f"{short(version.ref)} was not activated: {_what_failed(examined)}")
        if not (actor.reason or "").strip():
            raise ReleaseError(f"{short(version.ref)} was not activated: forcing it needs a reason")
        actor = replace(actor, reason=f"{actor.reason} (forced: {_what_failed(examined)})")
    if actor.break_glass and not (actor.reason or "").strip():
        raise ReleaseError(f"{short(version.ref)} was not activated: without approvals it needs a reason")
    return actor


def _activate(cursor: cursor, version: Version, included: Mapping[str, str], by: str) -> Activated:
    before = _production(read_heads(cursor, version.name))
    if before != version.version:
        cursor.execute(
            _ACTIVATE,
            {"by": by, "name": version.name, "version": version.version, "sha256": version.sha256},
        )
        if cursor.rowcount != 1:
            raise _why_not(cursor, version)
        # From here on no other release commits before this one.
        check_included(cursor, version, included)
    cursor.execute(_SINCE, (version.name, version.version))
    ((at, revision),) = cursor.fetchall()
    return Activated(version.name, version.version, before, at, revision)


def _production(heads: list[Head]) -> int | None:
    return next((head.version for head in heads if head.is_production), None)


def _why_not(cursor: cursor, version: Version) -> ReleaseError:
    now = find_version(cursor, version.name, version.version)
    if now.group is not None:
        return ReleaseError(
            f"{short(now.ref)} is group {short(now.group)} of an A/B test: what is active for everybody has no group"
        )
    return ReleaseError(
        f"{short(now.ref)} was not activated: its content changed since it was examined; run it again"
    )


def check_included(cursor: cursor, version: Version, included: Mapping[str, str]) -> None:
    """Raises `ReleaseError` where a fragment is another one than when the version was examined."""
    for reference, sha256 in included.items():
        pinned = _PINNED.fullmatch(reference)
        heads = read_heads(cursor, pinned["name"] if pinned else reference)
        found = [
            head.sha256
            for head in heads
            if (head.version == int(pinned["version"]) if pinned else head.is_production)
        ]
        if found != [sha256]:
            raise ReleaseError(
                f"{short(version.ref)} was not activated: {short(reference)}, which it includes, changed since it was "
                "examined; run it again"
            )


def _check_no_rollout(cursor: cursor, name: str) -> None:
    """Units of a rollout get its two versions, whatever is activated."""
    rollout = running_rollout(cursor, name)
    if rollout is not None:
        raise ReleaseError(
            f"a rollout of {short(name)}, version {rollout.canary.version} for {rollout.percent:g} % of the "
            f"{rollout.unit_kind}s, is {rollout.status}: 'prompt-worker prompts rollout abort {short(name)}' sends all "
            f"back to version {rollout.control.version}, 'rollout advance' goes on"
        )


def _what_failed(examined: Examined) -> str:
    executions = sum(each.executions for each in examined.gates)
    parts = [f"{short(each.name)}@{each.version} cannot be served" for each in examined.faults[:3]]
    if examined.failures:
        parts.append(f"{examined.failures:,} of {executions:,} real inputs cannot be rendered")
    if examined.failed_cases:
        cases = sum(each.cases for each in examined.gates)
        parts.append(f"{examined.failed_cases:,} of {cases:,} saved cases cannot be rendered")
    return "; ".join(parts)
