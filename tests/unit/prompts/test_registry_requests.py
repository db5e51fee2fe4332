"""The registry's endpoint without a network: what each request is answered, and who is held how long."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Coroutine
from typing import Any, NamedTuple

import pytest

from prompt_worker.platform.failures import SettingsError
from prompt_worker.platform.process.pages import Page
from prompt_worker.platform.settings import read
from prompt_worker.prompts.endpoint.app import PATH, App
from prompt_worker.prompts.endpoint.edition import Edition
from prompt_worker.prompts.endpoint.query import BadQueryError, accepts_gzip, has_etag, read_query
from prompt_worker.prompts.endpoint.settings import EndpointSettings, ReaderSettings
from prompt_worker.prompts.endpoint.shelf import Shelf
from prompt_worker.prompts.registry.document import decode
from tests.support.registry_documents import REGISTRY_ID, document, version
from tests.support.timing import LATE

FIRST = document(7, version("tutor/hints", "Give a hint. " * 100))
SECOND = document(8, version("tutor/hints", "Give another hint.", 2))


class Answered(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def make(edition: Edition | None = Edition.of(FIRST)) -> tuple[App, Shelf]:  # noqa: B008 - immutable
    shelf = Shelf()
    if edition is not None:
        shelf.replace(edition)
    shelf.checked_at = time.monotonic() - 3
    return App(shelf, None, {"/readyz": lambda: Page(200, b"ready\n")}), shelf


async def ask(
    app: App,
    query: str = "",
    method: str = "GET",
    path: str = PATH,
    gone: asyncio.Event | None = None,
    **headers: str,
) -> Answered | None:
    """The answer, None without one. The client leaves once `gone` is set."""
    sent: list[Any] = []
    complete = asyncio.Event()

    async def receive() -> dict[str, Any]:
        waits = [asyncio.ensure_future(event.wait()) for event in (complete, gone) if event is not None]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        sent.append(event)
        if event["type"] == "http.response.body":
            complete.set()

    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "path": path, "method": method, "query_string": query.encode(), "headers": given}
    await app(scope, receive, send)
    if not sent:
        return None
    start, body = sent
    names = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answered(start["status"], names, body["body"])


def run(asking: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(asking, 10))


def test_whole_document_is_answered_with_its_age_and_position() -> None:
    answered = run(ask(make()[0]))
    assert decode(answered.body) == FIRST
    assert answered.headers["etag"] == f'"{FIRST.sha256()}"'
    assert answered.headers["prompt-registry-revision"] == "1:7"
    assert 3 <= float(answered.headers["prompt-registry-age"]) < 3 + LATE
    assert answered.headers["cache-control"] == "private, no-cache"


def test_compressed_document_has_an_etag_of_its_own() -> None:
    answered = run(ask(make()[0], accept_encoding="br, gzip;q=0.8"))
    assert answered.headers["content-encoding"] == "gzip"
    assert answered.headers["etag"] == f'"{FIRST.sha256()}-gzip"'
    assert decode(gzip.decompress(answered.body)) == FIRST
    assert len(answered.body) < len(FIRST.encode()) / 2


@pytest.mark.parametrize("suffix", ["", "-gzip"])
@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_client_that_has_the_document_gets_304(suffix: str, encoding: str) -> None:
    tags = f'"else", W/"{FIRST.sha256()}{suffix}"'
    answered = run(ask(make()[0], if_none_match=tags, accept_encoding=encoding))
    assert (answered.status, answered.body) == (304, b"")
    assert "content-length" not in answered.headers
    assert answered.headers["prompt-registry-revision"] == "1:7"


def test_client_that_has_another_document_gets_this_one() -> None:
    assert run(ask(make()[0], if_none_match=f'"{SECOND.sha256()}"')).status == 200


def test_documents_hash_does_not_depend_on_when_it_was_made() -> None:
    assert Edition.of(document(7, *FIRST.versions)).etag == Edition.of(FIRST).etag
    assert Edition.of(SECOND).etag != Edition.of(FIRST).etag


@pytest.mark.parametrize(
    "query", ["after=6&wait=30", "after=1:6&wait=30", "after=7", "after=2:7&wait=0", "after=9"]
)
def test_revision_is_answered_at_once_unless_it_is_to_be_awaited(query: str) -> None:
    started = time.monotonic()
    answered = run(ask(make()[0], query))
    assert json.loads(answered.body) == {
        "registry_id": str(REGISTRY_ID),
        "epoch": 1,
        "revision": 7,
        "sha256": FIRST.sha256(),
    }
    assert time.monotonic() - started < LATE


@pytest.mark.parametrize(
    "query",
    [
        "after=",
        "after=-1",
        "after=latest",
        "after=1:2:3",
        "after=0:7",
        "after=7&after=8",
        "after=99999999999999999999",
        "after=7&wait=",
        "after=7&wait=-1",
        "after=7&wait=61",
        "after=7&wait=nan",
        "after=7&wait=inf",
        "after=7&wait=soon",
        "wait=5",
        "after=7" + "&a=b" * 50,
    ],
)
def test_query_that_means_nothing_gets_400_and_is_not_quoted(query: str) -> None:
    answered = run(ask(make()[0], query))
    assert answered.status == 400
    assert answered.body.strip()
    assert b"latest" not in answered.body
    assert b"soon" not in answered.body


def test_unknown_parameters_are_ignored() -> None:
    assert run(ask(make()[0], "label=production&x")).status == 200
    assert run(ask(make()[0], "%ff=%ff")).status == 200


def test_query_that_is_not_ascii_is_refused() -> None:
    with pytest.raises(BadQueryError):
        read_query("after=٣".encode())


def test_waiting_clients_are_answered_when_the_revision_changes() -> None:
    async def wait() -> None:
        app, shelf = make()
        held = [asyncio.create_task(ask(app, "after=7&wait=30")) for _ in range(1000)]
        held.append(asyncio.create_task(ask(app, "after=1:7&wait=30")))
        await asyncio.sleep(0.05)
        assert len(shelf) == 1001
        shelf.replace(Edition.of(SECOND))
        answers = await asyncio.gather(*held)
        assert {json.loads(answered.body)["revision"] for answered in answers if answered} == {8}
        assert len(shelf) == 0

    run(wait())


def test_client_that_is_ahead_of_this_instance_waits() -> None:
    """Another instance was faster; an answer at once would make it ask again and again."""

    async def wait() -> None:
        app, shelf = make()
        held = [asyncio.create_task(ask(app, f"after={ahead}&wait=30")) for ahead in ("1:8", "2:1", "8")]
        await asyncio.sleep(0.05)
        assert len(shelf) == 3
        shelf.replace(Edition.of(document(9)))
        await asyncio.sleep(0.05)
        assert [each.done() for each in held] == [True, False, True]
        shelf.close()
        await asyncio.gather(*held)

    run(wait())


def test_same_revision_of_another_epoch_is_news() -> None:
    async def wait() -> None:
        app, shelf = make()
        held = asyncio.create_task(ask(app, "after=1:7&wait=30"))
        await asyncio.sleep(0.01)
        shelf.replace(Edition.of(document(7, epoch=2)))
        answered = await held
        assert answered
        assert json.loads(answered.body)["epoch"] == 2

    run(wait())


def test_waiting_client_is_answered_when_its_time_is_over() -> None:
    async def wait() -> None:
        app, shelf = make()
        overdue = asyncio.create_task(shelf.answer_overdue())
        long = asyncio.create_task(ask(app, "after=7&wait=60"))
        started = time.monotonic()
        answered = await ask(app, "after=7&wait=0.5")
        assert 0.5 <= time.monotonic() - started < 0.5 + LATE
        assert answered
        assert json.loads(answered.body)["revision"] == 7
        assert not long.done()
        assert len(shelf) == 1
        shelf.close()
        await long
        overdue.cancel()

    run(wait())


def test_client_that_leaves_is_forgotten_at_once() -> None:
    async def wait() -> None:
        app, shelf = make()
        gone = asyncio.Event()
        held = asyncio.create_task(ask(app, "after=7&wait=60", gone=gone))
        await asyncio.sleep(0.01)
        gone.set()
        assert await held is None
        assert len(shelf) == 0
        assert all(waiter.send is None for _, _, waiter in shelf._deadlines)

    run(wait())


def test_closing_answers_all_who_wait_and_holds_nobody() -> None:
    async def wait() -> None:
        app, shelf = make()
        held = asyncio.create_task(ask(app, "after=7&wait=60"))
        await asyncio.sleep(0.01)
        shelf.close()
        answered = await held
        assert answered
        assert answered.status == 200
        assert (await ask(app, "after=7&wait=60")) is not None

    run(wait())


def test_client_that_reads_nothing_delays_nobody() -> None:
    """Its answer waits for room to be written; the others get theirs."""

    async def wait() -> None:
        app, shelf = make()

        async def stuck(_: Any) -> None:
            await asyncio.sleep(3600)

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(3600)
            return {}

        scope = {
            "type": "http",
            "path": PATH,
            "method": "GET",
            "query_string": b"after=7&wait=60",
            "headers": [],
        }
        frozen = asyncio.create_task(app(scope, receive, stuck))
        others = [asyncio.create_task(ask(app, "after=7&wait=60")) for _ in range(500)]
        await asyncio.sleep(0.05)
        shelf.replace(Edition.of(SECOND))
        await asyncio.gather(*others)
        frozen.cancel()

    run(wait())


def test_registry_that_was_never_read_gets_503() -> None:
    app, _ = make(None)
    for query in ("", "after=1&wait=30"):
        answered = run(ask(app, query))
        assert (answered.status, answered.headers["retry-after"]) == (503, "2")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_get_405(method: str) -> None:
    answered = run(ask(make()[0], method=method))
    assert (answered.status, answered.headers["allow"]) == (405, "GET, HEAD")


def test_other_paths_are_pages_or_404() -> None:
    app, _ = make()
    assert run(ask(app, path="/readyz")).body == b"ready\n"
    for path in ("/", "/v1", "/v1/registry/", "/v2/registry", "/metrics"):
        assert run(ask(app, path=path)).status == 404


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        (b"", False),
        (b"gzip", True),
        (b"GZIP, deflate", True),
        (b"br;q=1.0, gzip;q=0.5", True),
        (b"gzip;q=0", False),
        (b"gzip;q=0.000", False),
        (b"*", True),
        (b"identity", False),
        (b"gzipped", False),
        (b"\xff\xfe", False),
    ],
)
def test_accepted_encodings_are_read_as_http_says(given: bytes, accepted: bool) -> None:
    assert accepts_gzip(given) is accepted


def test_star_and_lists_match_an_etag() -> None:
    assert has_etag(b"*", b'"a"')
    assert has_etag(b'"b" , "a"', b'"a"')
    assert not has_etag(b"", b'"a"')
    assert not has_etag(b"a", b'"a"')


def test_readers_are_a_list_and_settings_are_checked() -> None:
    given = {
        "PROMPT_WORKER_REGISTRY_AUDIENCE": "https://registry.example.com",
        "PROMPT_WORKER_REGISTRY_READERS": "a@p.iam.gserviceaccount.com, b@p.iam.gserviceaccount.com",
    }
    assert read(ReaderSettings, given).accounts == [
        "a@p.iam.gserviceaccount.com",
        "b@p.iam.gserviceaccount.com",
    ]
    labelled = given | {
        "PROMPT_WORKER_REGISTRY_READERS": "a@p.example.com, b@p.example.com=staging c@p.example.com=beta+production"
    }
    settings = read(ReaderSettings, labelled)
    assert settings.accounts == ["a@p.example.com", "b@p.example.com", "c@p.example.com"]
    assert settings.narrowed == {"b@p.example.com": ("staging",), "c@p.example.com": ("beta", "production")}
    assert not [*settings.problems()]
    with pytest.raises(SettingsError, match="READERS is not set"):
        read(ReaderSettings, {"PROMPT_WORKER_REGISTRY_AUDIENCE": "x"})
    with pytest.raises(SettingsError, match="CLIENTS"):
        read(EndpointSettings, {"PROMPT_WORKER_REGISTRY_CLIENTS": "0"})


@pytest.mark.parametrize(
    ("readers", "problem"),
    [
        ("a@p.example.com=", "a@p.example.com= names no label"),
        ("a@p.example.com=3", "a@p.example.com=3 names no label"),
        ("a@p.example.com=latest", "names no label"),
        ("a@p.example.com=beta+", "names no label"),
        ("a@p.example.com=beta, a@p.example.com", "gives a@p.example.com different labels"),
    ],
)
def test_reader_of_no_label_is_refused(readers: str, problem: str) -> None:
    (found,) = ReaderSettings(audience="x", readers=readers).problems()
    assert problem in found
