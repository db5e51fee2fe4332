"""The ASGI application: who may read the registry, and what a request is answered."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from prompt_worker.platform import telemetry
from prompt_worker.platform.process.pages import Pages
from prompt_worker.platform.web.answers import Answer, Receive, Scope, Send
from prompt_worker.platform.web.pages import PageAnswers
from prompt_worker.platform.web.refusals import Refusals, RefusedError
from prompt_worker.platform.web.senders import require_sender
from prompt_worker.platform.web.tokens import Tokens
from prompt_worker.prompts.endpoint import answers
from prompt_worker.prompts.endpoint.query import BadQueryError, read_query
from prompt_worker.prompts.endpoint.shelf import Shelf

PATH = "/v1/registry"
_NOBODY: Mapping[str, Shelf] = MappingProxyType({})


class App:
    """Without `tokens` anyone may read, as beside the emulator. `narrowed`: accounts that have a shelf of their own."""

    def __init__(
        self,
        shelf: Shelf,
        tokens: Tokens | None,
        pages: Pages,
        narrowed: Mapping[str, Shelf] = _NOBODY,
    ) -> None:
        self._shelf = shelf
        self._narrowed = narrowed
        self._tokens = tokens
        self._pages = PageAnswers(pages)
        self._refusals = Refusals("requests for the registry", _count)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] != PATH:
            page = await self._pages.answer(scope["path"])
            await page.send(send)
            return
        try:
            answer = await self._registry(scope, receive, send)
        except RefusedError as refused:
            self._refusals.note(refused.answer.status, refused.reason, refused.detail)
            answer = refused.answer
        else:
            _count(200 if answer is None else answer.status, 1)
        if answer is not None:
            await answer.send(send)

    async def _registry(self, scope: Scope, receive: Receive, send: Send) -> Answer | None:
        """The answer; None where the shelf gave it, or the client left."""
        if scope["method"] not in ("GET", "HEAD"):
            raise RefusedError(answers.NOT_ALLOWED, "neither GET nor HEAD")
        headers = _joined(scope["headers"])
        account = await require_sender(
            self._tokens,
            headers.get(b"authorization", b""),
            wrong=answers.WRONG_READER,
            no_keys=answers.NO_KEYS,
        )
        try:
            after = read_query(scope["query_string"])
        except BadQueryError as error:
            raise RefusedError(answers.bad_query(str(error)), str(error)) from None
        shelf = self._narrowed.get(account, self._shelf)
        edition = shelf.edition
        if edition is None:
            raise RefusedError(answers.NOT_READ, "the registry could not be read yet: see the log before")
        if after is None:
            return answers.document_answer(edition, shelf.age_seconds, headers)
        if after.wait == 0 or shelf.is_news(after):
            return answers.revision_answer(edition, shelf.age_seconds)
        await shelf.hold(after, receive, send)
        return None


def _count(status: int, number: int) -> None:
    telemetry.count("registry_requests", number, status=str(status))


def _joined(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Repeated ones as one list; two tokens are none."""
    joined: dict[bytes, bytes] = {}
    for name, value in headers:
        joined[name] = value if name not in joined else b"%s, %s" % (joined[name], value)
    return joined
