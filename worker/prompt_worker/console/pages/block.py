"""`/prompt/block`: the kill switch of a prompt, on and off."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from prompt_worker.console.pages.named import PromptNamed, Reason
from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.prompts.authoring.reading.profile import profile
from prompt_worker.prompts.authoring.releases.blocking import block, unblock


class Confirmed(msgspec.Struct):
    """`block`: on, for a reason that services get to see; else off."""

    block: bool
    reason: Reason | None = None


def ask(visit: Visit) -> Response:
    return visit.page(
        "pages/block.html", found=profile(visit.database.reading, visit.query(PromptNamed).name)
    )


def act(visit: Visit) -> Response:
    name, confirmed = visit.query(PromptNamed).name, visit.form(Confirmed)
    change = block if confirmed.block else unblock
    change(visit.database.acting, visit.actor(confirmed.reason), name)
    return visit.see("/prompt", name=name)


ROUTES = [
    Route("/prompt/block", ask, "block"),
    Route("/prompt/block", act, "block", "POST"),
]
