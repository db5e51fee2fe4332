"""The application: each request is guarded, known, allowed, and answered on a thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from jinja2 import Environment
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import Message, Receive, Scope, Send

from prompt_worker.console.access.guarding import HEADERS, refusal
from prompt_worker.console.access.identity import SESSION, LocalIdentity
from prompt_worker.console.access.rights import read_rights
from prompt_worker.console.database import Database, is_refused, why_missing
from prompt_worker.console.pages import ROUTES
from prompt_worker.console.rendering.assets import Asset
from prompt_worker.console.rendering.templates import make_templates
from prompt_worker.console.requests import FORM_BYTES, BadRequestError
from prompt_worker.console.route import Route
from prompt_worker.console.visit import Visit
from prompt_worker.platform.failures import DeploymentError, Failure
from prompt_worker.prompts.authoring.refusals import NotAllowedError

log = logging.getLogger(__name__)

ENTRY = "/enter"
# For a form to arrive, from its head on.
FORM_SECONDS = 15.0
# What a failure's exit code means to a browser.
_STATUSES = {1: 409, 64: 409, 65: 409, 66: 404, 69: 503, 78: 409}
_TITLES = {
    400: "That cannot be asked",
    401: "Sign in",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    409: "Not done",
    413: "Too long",
    500: "Something failed",
    503: "The database cannot be used",
}
_KEEP = "public, max-age=31536000, immutable"


class App:
    """`hosts` are the names that it is reached by."""

    def __init__(
        self, database: Database, identity: LocalIdentity, hosts: Sequence[str], assets: Mapping[str, Asset]
    ) -> None:
        self._database = database
        self._identity = identity
        self._hosts = frozenset(hosts)
        self._assets = {each.path: each for each in assets.values()}
        self._templates: Environment = make_templates(assets)
        self._routes: dict[str, dict[str, Route]] = {}
        for route in ROUTES:
            self._routes.setdefault(route.path, {})[route.method] = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            response = await self._answer(Request(scope, receive))
        except ClientDisconnect:
            return
        await response(scope, receive, send_with_headers)

    async def _answer(self, request: Request) -> Response:
        if refused := refusal(request.method, request.headers, self._hosts):
            return PlainTextResponse(refused[1], refused[0])
        path = request.url.path
        if path == "/healthz":
            return PlainTextResponse("ok")
        if asset := self._assets.get(path):
            return Response(asset.body, 200, {"cache-control": _KEEP}, asset.content_type)
        return self._enter(request) if path == ENTRY else await self._page(request, path)

    async def _page(self, request: Request, path: str) -> Response:
        try:
            async with asyncio.timeout(FORM_SECONDS):
                body = await _body(request)
        except TimeoutError:
            return PlainTextResponse("The form did not arrive: send it again.", 408, {"connection": "close"})
        visit = Visit(request, body or b"", self._identity.who, self._database, self._templates)
        if not self._identity.is_valid(request.cookies.get(self._identity.cookie, "")):
            return _problem(visit, 401, "Open the address that 'prompt-worker console' printed.")
        if body is None:
            return _problem(visit, 413, "A form here has at most 100,000 bytes.")
        methods = self._routes.get(path)
        if methods is None:
            return _problem(visit, 404, "There is no such page.")
        route = methods.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            return _problem(visit, 405, "This page is only looked at, or only acted on.")
        return await run_in_threadpool(self._run, route, visit)

    def _enter(self, request: Request) -> Response:
        session = self._identity.session(request.query_params.get("key", ""))
        if session is None:
            visit = Visit(request, b"", self._identity.who, self._database, self._templates)
            return _problem(
                visit, 401, "The key is of an earlier start. Open the address that the console printed now."
            )
        response = RedirectResponse("/", 303)
        response.set_cookie(
            self._identity.cookie, session, max_age=SESSION, path="/", httponly=True, samesite="lax"
        )
        return response

    def _run(self, route: Route, visit: Visit) -> Response:
        """On a thread: everything here waits for the database."""
        try:
            rights = self._database.read(read_rights)
            visit = replace(visit, rights=rights)
            if route.needs is not None and (why_not := rights.why_not(route.needs)):
                return _problem(visit, 403, f"For this page {why_not}.")
            return route.handler(visit)
        except (BadRequestError, Failure, PoolTimeoutError) as error:
            status, text = _explanation(error)
            if status >= 500:
                log.warning("a page was answered %d: %s", status, text)
            return _problem(visit, status, text)
        # A fault of ours: the log has where, the page only that, and the other pages go on.
        except Exception:
            log.exception("a page failed")
            return _problem(visit, 500, "The console's log says what.")


def _explanation(error: BadRequestError | Failure | PoolTimeoutError) -> tuple[int, str]:
    """The status of an answer, and what it says."""
    match error:
        case BadRequestError():
            return 400, f"{error}."
        case PoolTimeoutError():
            return 503, "Too many requests wait for the database."
        case DeploymentError():
            return (403 if is_refused(error) else 503), why_missing(error)
        case NotAllowedError():
            return 403, str(error)
        case _:
            return _STATUSES.get(error.exit_code, 500), str(error)


async def _body(request: Request) -> bytes | None:
    """None for one that is too long."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > FORM_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _problem(visit: Visit, status: int, text: str) -> Response:
    return visit.page("parts/problem.html", status=status, title=_TITLES[status], text=text)
