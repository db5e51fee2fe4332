"""Proof that a release took effect, from the events: which services serve another version still."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.prompts.authoring.acting import reading
from prompt_worker.prompts.authoring.checks.checking import including
from prompt_worker.prompts.authoring.checks.surroundings import read_surroundings
from prompt_worker.prompts.authoring.releases.activating import Activated

_SERVICES = statement(__name__, "services")
_SPREAD = statement(__name__, "spread")
# Whoever published in this time before a release is expected to follow.
_KNOWN = timedelta(hours=24)
# A service has several processes: so long none of them may have served another version.
QUIET = timedelta(seconds=10)


class Follower(msgspec.Struct, frozen=True):
    """A service, and when it last served what was released and something else, since the release.

    `name` is None for those that do not name themselves; `other` is the ref of what else. A fragment is served by the
    prompts that include it: these are then named, and served as they were before.
    """

    name: str | None
    followed_at: datetime | None
    other_at: datetime | None
    other: str | None

    def follows(self, now: datetime) -> bool:
        """Whether all of it serves the released version."""
        if self.followed_at is None:
            return False
        return self.other_at is None or (self.followed_at > self.other_at and now - self.other_at >= QUIET)


class Progress(msgspec.Struct, frozen=True):
    """At one moment: those that follow, and those that do not yet."""

    at: datetime
    following: list[Follower]
    left: list[Follower]

    @property
    def is_everywhere(self) -> bool:
        return not self.left


def watch(
    session: Session,
    released: Activated,
    *,
    timeout: float,
    every: float = 2.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Progress]:
    """How far it has come, again and again, until it is everywhere or `timeout` seconds have passed.

    Raises `NotAllowedError`, `DeploymentError`.
    """
    names = reading(session, partial(_names, released.name))
    expected = reading(session, partial(_services, names, released.at - _KNOWN))
    end = clock() + timeout
    while True:
        progress = reading(session, partial(_progress, released, names, expected))
        yield progress
        left = end - clock()
        if progress.is_everywhere or left <= 0:
            return
        sleep(min(every, left))


def _names(name: str, cursor: cursor) -> list[str]:
    """It, and all that is in production and includes it."""
    return [name, *including({name}, read_surroundings(cursor))]


def _services(names: list[str], since: datetime, cursor: cursor) -> set[str | None]:
    cursor.execute(_SERVICES, {"names": names, "since": since})
    return {service for (service,) in cursor}


def _progress(released: Activated, names: list[str], expected: set[str | None], cursor: cursor) -> Progress:
    cursor.execute(
        _SPREAD,
        {
            "name": released.name,
            "names": names,
            "version": released.version,
            "revision": released.revision,
            "since": released.at,
        },
    )
    seen = {row[0]: Follower(*row) for row in cursor}
    cursor.execute("SELECT clock_timestamp()")
    ((now,),) = cursor.fetchall()
    followers = [
        seen.get(name, Follower(name, None, None, None))
        for name in sorted(expected | seen.keys(), key=lambda name: name or "")
    ]
    following = [each for each in followers if each.follows(now)]
    return Progress(now, following, [each for each in followers if not each.follows(now)])
