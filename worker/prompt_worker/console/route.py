"""A route: an address, what answers it, and the right that it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from prompt_worker.console.access.rights import Right
from prompt_worker.console.visit import Visit

Handler = Callable[[Visit], Response]


@dataclass(frozen=True)
class Route:
    """`needs`: None for anybody who has a session."""

    path: str
    handler: Handler
    needs: Right | None = None
    method: Literal["GET", "POST"] = "GET"
