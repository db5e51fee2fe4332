"""`/prompt/review`: a review of the content that was on the page."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.responses import Response

from prompt_worker.console.pages.named import Reason, VersionNamed
from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.prompts.authoring.releases.reviewing import review


class Review(msgspec.Struct):
    """`sha256` is of the content that was read."""

    verdict: Literal["approved", "rejected"]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    comment: Reason | None = None


def act(visit: Visit) -> Response:
    asked, given = visit.query(VersionNamed), visit.form(Review)
    review(
        visit.database.acting,
        visit.actor(given.comment),
        asked.name,
        asked.version,
        given.verdict,
        sha256=given.sha256,
    )
    return visit.see("/prompt", name=asked.name, version=asked.version)


ROUTES = [Route("/prompt/review", act, "review", "POST")]
