"""`/prompt/diff`: what differs between two versions of a prompt."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from prompt_worker.console.pages.named import Name, Version
from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.prompts.authoring.reading.profile import profile, two_versions
from prompt_worker.prompts.authoring.releases.gate.difference import difference


class Asked(msgspec.Struct):
    """By default the newest is compared with the one in production, else with the one before it."""

    name: Name
    before: Version | None = None
    after: Version | None = None


def diff(visit: Visit) -> Response:
    asked = visit.query(Asked)
    reading = visit.database.reading
    before, after = two_versions(reading, asked.name, asked.before, asked.after)
    return visit.page(
        "pages/prompts/diff.html",
        before=before,
        after=after,
        versions=[head.version for head in profile(reading, asked.name, after.version).versions][::-1],
        changes=difference(None if before is None else before.readable(), after.readable()),
    )


ROUTES = [Route("/prompt/diff", diff, "prompts")]
