"""`/prompt`: one prompt: a version's text, all versions with their numbers, reviews, history, who serves what."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import msgspec
from psycopg2.extensions import cursor
from starlette.responses import Response

from prompt_worker.console.pages.named import Name, Version
from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.prompts.authoring.reading.history import history
from prompt_worker.prompts.authoring.reading.profile import Profile, profile
from prompt_worker.prompts.authoring.releases.gate.difference import difference

# Of each version and status, the executions that say who serves it.
NEWEST = 500
HISTORY = 20
# Versions of a page, the newest.
VERSIONS = 50
_NUMBERS = statement(__name__, "version_numbers")
_SERVED = statement(__name__, "served")


class Asked(msgspec.Struct):
    """`version`: by default the one in production, else the newest."""

    name: Name
    version: Version | None = None


class Numbers(msgspec.Struct, frozen=True):
    """Of one version, since it was made."""

    executions: int
    failures: int
    success_rate: float
    response_ms: float | None
    tokens: float | None
    cost: float | None


class Served(msgspec.Struct, frozen=True):
    """What a service was served: by its newest executions of the last day."""

    service: str | None
    version: int
    selection: str | None
    last: datetime
    executions: int


def prompt(visit: Visit) -> Response:
    asked = visit.query(Asked)
    database = visit.database
    found = profile(database.reading, asked.name, asked.version)
    return visit.page(
        "pages/prompts/prompt.html",
        found=found,
        version=found.version,
        versions=found.versions[::-1][:VERSIONS],
        older=max(0, len(found.versions) - VERSIONS),
        parts=_parts(found),
        before=_before(found),
        approvals=_approvals(found),
        numbers=visit.block(lambda: database.read(partial(_read_numbers, asked.name))),
        served=visit.block(lambda: database.read(partial(_read_served, asked.name)), "executions"),
        history=visit.block(lambda: history(database.reading, asked.name, limit=HISTORY)),
    )


def _parts(found: Profile) -> list[tuple[str, str]]:
    """The content by its parts, as it is compared."""
    content = found.version.content
    changes = [] if content is None else difference(None, content)
    return [
        (change.part, "\n".join(line[1:] for line in change.lines if line.startswith("+")))
        for change in changes
    ]


def _before(found: Profile) -> int | None:
    """What to compare the version with: the one in production, else the one before it."""
    number = found.version.version
    if found.listed.production not in (None, number):
        return found.listed.production
    return max((head.version for head in found.versions if head.version < number), default=None)


def _approvals(found: Profile) -> int:
    """Of this very content."""
    sha256 = found.version.sha256
    return sum(each.verdict == "approved" and each.sha256 == sha256 for each in found.reviews)


def _read_numbers(name: str, cursor: cursor) -> dict[int, Numbers]:
    """By version."""
    cursor.execute(_NUMBERS, {"name": name})
    return {version: Numbers(*row) for version, *row in cursor}


def _read_served(name: str, cursor: cursor) -> list[Served]:
    cursor.execute(_SERVED, {"name": name, "newest": NEWEST})
    return [Served(*row) for row in cursor]


ROUTES = [Route("/prompt", prompt, "prompts")]
