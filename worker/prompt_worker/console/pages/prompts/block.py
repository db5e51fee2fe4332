"""`/prompt/block`: the kill switch of a prompt, on and off."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from prompt_worker.console.pages.named import PromptNamed, Reason
from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.prompts.authoring.reading.profile import profile
from prompt_worker.prompts.authoring.refusals import ReleaseError
from prompt_worker.prompts.authoring.releases.blocking import block, unblock


class Confirmed(msgspec.Struct):
    """`block`: on, for a reason that services get to see; else off. `seen`: the block that was looked at."""

    block: bool
    reason: Reason | None = None
    seen: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None


def ask(visit: Visit) -> Response:
    found = profile(visit.database.reading, visit.query(PromptNamed).name)
    return visit.page("pages/prompts/block.html", found=found, seen=_digest(found.listed.blocked))


def act(visit: Visit) -> Response:
    name, confirmed = visit.query(PromptNamed).name, visit.form(Confirmed)
    now = profile(visit.database.acting, name).listed.blocked
    # A second press finds it as it should be.
    is_done = now == (confirmed.reason if confirmed.block else None)
    if not is_done and confirmed.seen not in (None, _digest(now)):
        raise ReleaseError(
            "nothing was changed: the prompt was blocked, unblocked or blocked for another reason since you looked. "
            "Look at it again"
        )
    change = block if confirmed.block else unblock
    change(visit.database.acting, visit.actor(confirmed.reason), name)
    return visit.see("/prompt", name=name)


def _digest(reason: str | None) -> str:
    """Of a block, by its reason; of none, that of nothing."""
    return sha256((reason or "").encode()).hexdigest()


ROUTES = [
    Route("/prompt/block", ask, "block"),
    Route("/prompt/block", act, "block", "POST"),
]
