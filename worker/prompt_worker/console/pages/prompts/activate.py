"""`/prompt/activate`: what the gate finds of a version, and its activation, only of what was looked at."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from prompt_worker.console.pages.named import Reason, VersionNamed
from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.prompts.authoring.reading.profile import profile
from prompt_worker.prompts.authoring.refusals import ReleaseError
from prompt_worker.prompts.authoring.releases.activating import activate
from prompt_worker.prompts.authoring.releases.gate.examining import Examined, examine


class Confirmed(msgspec.Struct):
    """What was looked at: the content by its hash, and the version in production then; 0 for none."""

    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    replaces: Annotated[int, Meta(ge=0)]
    reason: Reason | None = None
    force: bool = False
    break_glass: bool = False


def ask(visit: Visit) -> Response:
    asked = visit.query(VersionNamed)
    return _page(visit, asked, examine(visit.database.acting, asked.name, asked.version))


def act(visit: Visit) -> Response:
    asked, confirmed = visit.query(VersionNamed), visit.form(Confirmed)
    examined = examine(visit.database.acting, asked.name, asked.version)
    try:
        _check(visit, asked, confirmed, examined)
        actor = visit.actor(confirmed.reason, break_glass=confirmed.break_glass)
        activate(visit.database.acting, actor, examined, force=confirmed.force)
    except ReleaseError as error:
        return _page(visit, asked, examined, refused=str(error), reason=confirmed.reason, status=409)
    return visit.see("/prompt", name=asked.name, version=asked.version)


def _check(visit: Visit, asked: VersionNamed, confirmed: Confirmed, examined: Examined) -> None:
    """Raises `ReleaseError` where it is not what was looked at."""
    production = profile(visit.database.acting, asked.name, asked.version).listed.production or 0
    if production not in (confirmed.replaces, asked.version):
        raise ReleaseError(
            f"nothing was activated: version {production or 'none'} is in production since you looked, "
            f"not version {confirmed.replaces or 'none'}. What is below is as it is now"
        )
    if examined.version.sha256 != confirmed.sha256:
        raise ReleaseError(
            "nothing was activated: the version was changed since you looked. What is below is as it is now"
        )


def _page(
    visit: Visit,
    asked: VersionNamed,
    examined: Examined,
    *,
    refused: str | None = None,
    reason: str | None = None,
    status: int = 200,
) -> Response:
    return visit.page(
        "pages/prompts/activate.html",
        status=status,
        examined=examined,
        version=examined.version,
        found=profile(visit.database.acting, asked.name, asked.version),
        refused=refused,
        reason=reason,
    )


ROUTES = [
    Route("/prompt/activate", ask, "release"),
    Route("/prompt/activate", act, "release", "POST"),
]
