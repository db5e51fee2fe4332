"""One request: who asks, what they may, and how it is answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from prompt_worker.console.access.rights import Right, Rights
from prompt_worker.console.database import Block, Database, block
from prompt_worker.console.rendering.links import link
from prompt_worker.console.requests import form_pairs, read
from prompt_worker.prompts.authoring.acting import Actor

Asked = TypeVar("Asked", bound=msgspec.Struct)
Loaded = TypeVar("Loaded")
NOBODY = Rights("", frozenset())


@dataclass(frozen=True)
class Visit:
    """`body` is a form's. `rights` are those of the console's login."""

    request: Request
    body: bytes
    who: str
    database: Database
    templates: Environment
    rights: Rights = field(default=NOBODY)

    def query(self, into: type[Asked]) -> Asked:
        """Raises `BadRequestError`."""
        return read(self.request.query_params.multi_items(), into)

    def form(self, into: type[Asked]) -> Asked:
        """Raises `BadRequestError`."""
        return read(form_pairs(self.body), into)

    def block(self, load: Callable[[], Loaded], right: Right | None = None) -> Block[Loaded]:
        """A part of the page; without `right` it says what gives it."""
        why_not = None if right is None else self.rights.why_not(right)
        return block(load) if why_not is None else Block(None, f"Hidden: {why_not}.")

    def actor(self, reason: str | None = None, *, break_glass: bool = False) -> Actor:
        """As for a command: the history has the database's login."""
        return Actor(self.who[:255], None, reason, break_glass)

    def page(self, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """`template` by its path; it also gets the visit."""
        html = self.templates.get_template(template).render(visit=self, **context)
        return HTMLResponse(html, status)

    def see(self, path: str, **query: object) -> Response:
        """After an action: another page, which can be loaded again."""
        return RedirectResponse(link(path, query), 303)

    @property
    def path(self) -> str:
        return self.request.url.path

    @property
    def address(self) -> str:
        """The path with its query, as it was sent."""
        query = self.request.url.query
        return f"{self.path}?{query}" if query else self.path

    @property
    def theme(self) -> str:
        """As it was chosen; else as the system has it."""
        chosen = self.request.cookies.get("prompt_worker_theme")
        return chosen if chosen in ("light", "dark") else "system"
