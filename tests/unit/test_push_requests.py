"""Push without a network: the envelope, the token, the limits, and how an answer gets back to its request."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from prompt_worker.consuming.push.app import App
from prompt_worker.consuming.push.envelope import NotAnEnvelopeError, PushedMessage, read_envelope
from prompt_worker.consuming.push.inbox import Inbox
from prompt_worker.consuming.push.settings import PushSettings, TokenSettings
from prompt_worker.platform.failures import SettingsError
from prompt_worker.platform.process.pages import Page
from prompt_worker.platform.pubsub.limits import PUSHED_BYTES
from prompt_worker.platform.settings import Environment
from tests.support.pushing import envelope

PATH = "/push/executions"


def test_an_envelope_becomes_a_message_like_a_pulled_one() -> None:
    message = read_envelope(envelope(b'{"a": 1}', "77", template_name="t"))
    assert message.data == b'{"a": 1}'
    assert message.attributes == {"template_name": "t"}
    assert message.message_id == "77"
    assert message.delivery_attempt == 3
    assert message.publish_time == pytest.approx(1795406400.123456, abs=1e-5)


def test_message_without_data_has_no_bytes() -> None:
    bare = {"messageId": "1", "publishTime": "2026-11-23T04:00:00Z", "attributes": {"a": "b"}}
    message = read_envelope(json.dumps({"message": bare, "subscription": "s"}).encode())
    assert (message.data, message.delivery_attempt) == (b"", 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"secret",
        b"\xff\xfe",
        b'"secret"',
        b'{"subscription": "s"}',
        b'{"message": null, "subscription": "s"}',
        b'{"message": {"data": "c2VjcmV0"}, "subscription": "s"}',
        envelope(b"1").replace(b'"data": "', b'"data": "secret!'),
        b'{"message": {"messageId": "1", "publishTime": "secret"}, "subscription": "s"}',
        b'{"secret": ' + b"[" * 100_000,
    ],
)
def test_body_that_is_no_envelope_is_not_quoted(body: bytes) -> None:
    with pytest.raises(NotAnEnvelopeError) as raised:
        read_envelope(body)
    assert "secret" not in str(raised.value)


def request(
    app: App, *parts: bytes, path: str = PATH, method: str = "POST", **headers: str
) -> Coroutine[Any, Any, int]:
    """The status that one request gets; its body comes in `parts`."""

    async def run() -> int:
        events = [
            {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}
            for number, part in enumerate(parts)
        ]
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            if not events:
                await asyncio.sleep(3600)
            return events.pop(0)

        async def send(event: Any) -> None:
            sent.append(event)

        named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        await app({"type": "http", "path": path, "method": method, "headers": named}, receive, send)
        return int(sent[0]["status"]) if sent else 0

    return run()


class Lane(threading.Thread):
    """Settles what comes, as a consumer's lane does, once it may."""

    def __init__(self, inbox: Inbox, *, settled: bool = True) -> None:
        super().__init__(daemon=True)
        self._inbox = inbox
        self._settle = inbox.acknowledge if settled else inbox.hand_back
        self.go = threading.Event()
        self.batches: list[int] = []
        self.start()

    def run(self) -> None:
        while True:
            messages = self._inbox.receive(0.05)
            if messages:
                self.batches.append(len(messages))
                self.go.wait(10)
                self._settle(messages)


async def opened(**settings: str) -> tuple[App, Inbox]:
    inbox = Inbox(asyncio.get_running_loop())
    pages = {"/healthz": lambda: Page(200, b"alive\n")}
    return App({PATH: inbox}, None, pages, Environment(settings).read(PushSettings)), inbox


@pytest.mark.parametrize(("settled", "status"), [(True, 204), (False, 503)])
def test_request_is_answered_when_its_event_is_settled(settled: bool, status: int) -> None:
    async def check() -> None:
        app, inbox = await opened()
        lane = Lane(inbox, settled=settled)
        requests = [asyncio.ensure_future(request(app, envelope(b"%d" % n))) for n in range(100)]
        await asyncio.sleep(0.2)
        assert not any(done.done() for done in requests)
        lane.go.set()
        assert await asyncio.gather(*requests) == [status] * 100
        assert lane.batches == [100], "requests of a moment are handed over together"

    asyncio.run(check())


def test_request_not_settled_in_time_reaches_no_lane() -> None:
    async def check() -> None:
        app, inbox = await opened(PROMPT_WORKER_PUSH_ANSWER_SECONDS="0.3")
        looking = asyncio.create_task(app.give_up_overdue())
        assert await request(app, envelope(b"1")) == 503
        assert inbox.receive(0.01) == []
        assert inbox.age() == 0.0
        looking.cancel()

    asyncio.run(check())


def test_request_that_was_given_up_keeps_its_room_until_it_is_let_go() -> None:
    async def check() -> None:
        app, inbox = await opened(PROMPT_WORKER_PUSH_ANSWER_SECONDS="0.3", PROMPT_WORKER_PUSH_IN_FLIGHT="1")
        checking = asyncio.create_task(app.give_up_overdue())
        first = asyncio.ensure_future(request(app, envelope(b"1")))
        await asyncio.sleep(0.05)
        held = inbox.receive(0.01)
        assert await first == 503
        assert await request(app, envelope(b"2")) == 429, "a lane still holds it"
        inbox.hand_back(held)
        await asyncio.sleep(0.05)
        assert await request(app, envelope(b"3")) == 503
        assert await request(app, envelope(b"4")) == 429, "it still waits for a lane"
        assert inbox.receive(0.01) == []
        await asyncio.sleep(0.05)
        assert await request(app, envelope(b"5")) == 503
        checking.cancel()

    asyncio.run(check())


def test_closed_inbox_settles_nothing_that_waits_or_comes() -> None:
    async def check() -> None:
        app, inbox = await opened()
        waiting = asyncio.ensure_future(request(app, envelope(b"1")))
        await asyncio.sleep(0.05)
        threading.Thread(target=inbox.close).start()
        assert await waiting == 503
        assert await request(app, envelope(b"2")) == 503

    asyncio.run(check())


def test_requests_in_flight_are_bounded_in_number_and_bytes() -> None:
    async def check() -> None:
        app, inbox = await opened(
            PROMPT_WORKER_PUSH_IN_FLIGHT="5", PROMPT_WORKER_PUSH_IN_FLIGHT_BYTES="14000000"
        )
        lane = Lane(inbox)
        five = [asyncio.ensure_future(request(app, envelope(b"1"))) for _ in range(5)]
        await asyncio.sleep(0.05)
        assert await request(app, envelope(b"1")) == 429
        lane.go.set()
        assert await asyncio.gather(*five) == [204] * 5
        lane.go.clear()
        large = envelope(b"x" * 6_000_000)
        held = asyncio.ensure_future(request(app, large, content_length=str(len(large))))
        await asyncio.sleep(0.1)
        assert await request(app, large, content_length=str(len(large))) == 429
        assert await request(app, large[:100], large[100:]) == 429, "of unknown length"
        lane.go.set()
        assert await held == 204
        assert await request(app, large[:100], large[100:]) == 204

    asyncio.run(check())


def test_body_of_unknown_length_needs_room_as_it_arrives() -> None:
    async def check() -> None:
        app, _ = await opened(PROMPT_WORKER_PUSH_IN_FLIGHT_BYTES="14000000")
        come: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        for _ in range(13):
            come.put_nowait({"type": "http.request", "body": b" " * 1_000_000, "more_body": True})

        async def send(_: Any) -> None:
            raise AssertionError("nobody is there")

        scope = {"type": "http", "path": PATH, "method": "POST", "headers": []}
        coming = asyncio.ensure_future(app(scope, come.get, send))
        await asyncio.sleep(0.05)
        assert await request(app, b" " * 2_000_000) == 429
        come.put_nowait({"type": "http.disconnect"})
        await coming
        assert await request(app, b" " * 2_000_000) == 400, "and gives it back"

    asyncio.run(check())


def test_body_larger_than_any_message_is_refused() -> None:
    async def check() -> None:
        app, _ = await opened()
        assert await request(app, b"", content_length=str(PUSHED_BYTES + 1)) == 413
        assert await request(app, *[b"x" * 1_000_000] * 15) == 413

    asyncio.run(check())


def test_body_that_does_not_arrive_is_refused() -> None:
    async def check() -> None:
        app, _ = await opened(PROMPT_WORKER_PUSH_ANSWER_SECONDS="0.2", PROMPT_WORKER_PUSH_IN_FLIGHT="1")
        unfinished = {"type": "http", "path": PATH, "method": "POST", "headers": []}
        sent: list[Any] = []

        # A trickle without an end.
        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0.01)
            return {"type": "http.request", "body": b" ", "more_body": True}

        async def send(event: Any) -> None:
            sent.append(event)

        await app(unfinished, receive, send)
        assert sent[0]["status"] == 408
        assert await request(app) == 408, "nothing of it comes"
        assert await request(app, b"") == 400, "its place is free again"

    asyncio.run(check())


def test_largest_message_with_the_widest_attributes_fits() -> None:
    attributes = {f"{n:02}" + "\x01" * 254: "\x02" * 1024 for n in range(100)}
    room = 10_000_000 - sum(len(name) + len(value) for name, value in attributes.items())
    body = envelope(b"x" * room, **attributes)
    assert len(body) < PUSHED_BYTES
    assert len(read_envelope(body).data) == room


def test_app_serves_pages_and_refuses_other_methods() -> None:
    async def check() -> None:
        app, _ = await opened()
        assert await request(app, b"", path="/healthz", method="GET") == 200
        assert await request(app, b"", path="/", method="GET") == 404
        assert await request(app, b"", method="GET") == 405
        assert await request(app, b"secret") == 400

    asyncio.run(check())


def test_client_that_leaves_midway_gets_no_answer_and_no_room() -> None:
    async def check() -> None:
        app, inbox = await opened(PROMPT_WORKER_PUSH_IN_FLIGHT="1")

        async def leave() -> dict[str, Any]:
            return events.pop(0)

        async def send(_: Any) -> None:
            raise AssertionError("nobody is there")

        events = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
        await app({"type": "http", "path": PATH, "method": "POST", "headers": []}, leave, send)
        Lane(inbox).go.set()
        assert await request(app, envelope(b"1")) == 204

    asyncio.run(check())


def test_missing_token_settings_are_named_at_once() -> None:
    environment = Environment({"PORT": "http", "PROMPT_WORKER_PUSH_KEYS_URL": "http://elsewhere.example.com"})
    environment.read(PushSettings)
    environment.read(TokenSettings)
    with pytest.raises(SettingsError) as raised:
        environment.check()
    named = [line.split(":")[0].split(" ")[0] for line in str(raised.value).splitlines()]
    assert named == [
        "PORT",
        "PROMPT_WORKER_PUSH_AUDIENCE",
        "PROMPT_WORKER_PUSH_SERVICE_ACCOUNT",
        "PROMPT_WORKER_PUSH_KEYS_URL",
    ]


def test_messages_are_distinct_by_identity() -> None:
    one, same = read_envelope(envelope(b"1")), read_envelope(envelope(b"1"))
    assert len({one, same}) == 2
    assert isinstance(one, PushedMessage)
