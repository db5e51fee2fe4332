"""The ASGI application: what a request must be, how it joins a batch, and what it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from prompt_worker.consuming.push import answers
from prompt_worker.consuming.push.envelope import NotAnEnvelopeError, PushedMessage, read_envelope
from prompt_worker.consuming.push.inbox import Inbox
from prompt_worker.consuming.push.room import Place, Room
from prompt_worker.consuming.push.settings import PushSettings
from prompt_worker.platform import telemetry
from prompt_worker.platform.process.pages import Pages
from prompt_worker.platform.web.answers import Answer, Receive, Scope, Send
from prompt_worker.platform.web.pages import PageAnswers
from prompt_worker.platform.web.refusals import Refusals, RefusedError
from prompt_worker.platform.web.senders import require_sender
from prompt_worker.platform.web.tokens import Tokens

# Once the oldest request has waited for so long, new ones are refused.
BEHIND_SECONDS = 5.0
# Between checks for overdue requests.
CHECK_SECONDS = 0.5


class App:
    """`inboxes` by path; without `tokens` anyone may push, as on the emulator."""

    def __init__(
        self, inboxes: Mapping[str, Inbox], tokens: Tokens | None, pages: Pages, settings: PushSettings
    ) -> None:
        self._inboxes = inboxes
        self._tokens = tokens
        self._pages = PageAnswers(pages)
        self._settings = settings
        self._refusals = Refusals("push requests", _count)
        self._room = Room(requests=settings.in_flight, size=settings.in_flight_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        inbox = self._inboxes.get(scope["path"])
        if inbox is None:
            page = await self._pages.answer(scope["path"])
            await page.send(send)
            return
        try:
            answer = await self._push(inbox, scope, receive)
        except RefusedError as refused:
            self._refusals.note(refused.answer.status, refused.reason, refused.detail)
            answer = refused.answer
        if answer is not None:
            await answer.send(send)

    async def give_up_overdue(self) -> None:
        """Answers requests that waited too long; runs until it is cancelled."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            for inbox in self._inboxes.values():
                inbox.give_up(self._settings.answer_seconds)

    async def _push(self, inbox: Inbox, scope: Scope, receive: Receive) -> Answer | None:
        """The answer, or None when the client left before it had sent everything."""
        if scope["method"] != "POST":
            raise RefusedError(answers.NOT_ALLOWED, "not a POST")
        headers = dict(scope["headers"])
        await require_sender(
            self._tokens,
            headers.get(b"authorization", b""),
            wrong=answers.WRONG_SENDER,
            no_keys=answers.NO_KEYS,
        )
        if inbox.age() > BEHIND_SECONDS:
            raise RefusedError(answers.BEHIND, f"requests wait for more than {BEHIND_SECONDS:.0f} s")
        length = headers.get(b"content-length", b"")
        message = await self._read_message(receive, int(length) if length.isdigit() else 0)
        if message is None:
            return None
        # From now on the inbox leaves its place.
        if not await inbox.put(message):
            raise RefusedError(answers.NOT_SETTLED, "handed back, or not settled in time", scope["path"])
        return answers.SETTLED

    async def _read_message(self, receive: Receive, expected: int) -> PushedMessage | None:
        """The message, in a place of its own; None when the client left before it had sent everything."""
        place = self._room.enter()
        message: PushedMessage | None = None
        try:
            body = await self._read_body(receive, place, expected)
            if body is not None:
                message = _message(body)
                message.place = place
        finally:
            if message is None:
                place.leave()
        return message

    async def _read_body(self, receive: Receive, place: Place, expected: int) -> bytes | None:
        place.grow(expected)
        try:
            async with asyncio.timeout(self._settings.answer_seconds):
                return await _read_parts(receive, place)
        except TimeoutError:
            raise RefusedError(answers.TOO_SLOW, "the body did not come in time") from None


def _count(status: int, number: int) -> None:
    telemetry.count("refused_requests", number, status=str(status))


def _message(body: bytes) -> PushedMessage:
    try:
        return read_envelope(body)
    except NotAnEnvelopeError as error:
        reason = "not an envelope of Pub/Sub: is payload unwrapping on? Turn it off"
        raise RefusedError(answers.NO_ENVELOPE, reason, str(error)) from None


async def _read_parts(receive: Receive, place: Place) -> bytes | None:
    parts: list[bytes] = []
    size = 0
    while (event := await receive())["type"] == "http.request":
        parts.append(event["body"])
        size += len(event["body"])
        place.grow(size)
        if not event.get("more_body"):
            return b"".join(parts)
    return None
