"""`/prompt/rollback`: back to the version that was in production before."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from prompt_worker.console.pages.named import PromptNamed, Reason, Version
from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.prompts.authoring.refusals import ReleaseError
from prompt_worker.prompts.authoring.releases.gate.examining import examine
from prompt_worker.prompts.authoring.releases.rolling_back import roll_back, rollback_target


class Confirmed(msgspec.Struct):
    """What was looked at: from which version, 0 for none, to which."""

    replaces: int
    to: Version
    reason: Reason | None = None
    force: bool = False
    break_glass: bool = False


def ask(visit: Visit) -> Response:
    return _page(visit, visit.query(PromptNamed).name)


def act(visit: Visit) -> Response:
    """A second press finds another target, and is refused."""
    name, confirmed = visit.query(PromptNamed).name, visit.form(Confirmed)
    session = visit.database.acting
    try:
        target = rollback_target(session, name)
        if (target.now or 0, target.version) != (confirmed.replaces, confirmed.to):
            raise ReleaseError(
                f"nothing was rolled back: version {target.now or 'none'} is in production since you looked. "
                "What is below is as it is now"
            )
        actor = visit.actor(confirmed.reason, break_glass=confirmed.break_glass)
        roll_back(session, actor, name, target, force=confirmed.force)
    except ReleaseError as error:
        return _page(visit, name, refused=str(error), status=409)
    return visit.see("/prompt", name=name, version=confirmed.to)


def _page(visit: Visit, name: str, *, refused: str | None = None, status: int = 200) -> Response:
    session = visit.database.acting
    target = rollback_target(session, name)
    return visit.page(
        "pages/prompts/rollback.html",
        status=status,
        name=name,
        target=target,
        examined=examine(session, name, target.version, inputs=0),
        refused=refused,
    )


ROUTES = [
    Route("/prompt/rollback", ask, "release"),
    Route("/prompt/rollback", act, "release", "POST"),
]
