"""Light or dark, as somebody likes it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from starlette.responses import Response

from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit

YEAR = 365 * 86_400


class Chosen(msgspec.Struct):
    """`back` is the address of a page, of this console alone."""

    theme: Literal["light", "dark", "system"]
    back: Annotated[str, msgspec.Meta(pattern=r"\A/([a-z-]+(/[a-z-]+)*)?(\?[!-~]*)?\Z")] = "/"


def choose(visit: Visit) -> Response:
    chosen = visit.form(Chosen)
    response = visit.see(chosen.back)
    response.set_cookie(
        "prompt_worker_theme", chosen.theme, max_age=YEAR, path="/", httponly=True, samesite="lax"
    )
    return response


ROUTES = [Route("/theme", choose, method="POST")]
