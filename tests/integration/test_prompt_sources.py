"""A registry's endpoint, a bucket and a file as sources: real servers on this machine, and what they may answer."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from prompt_worker import PromptTemplateService
from prompt_worker.platform.failures import SettingsError
from prompt_worker.prompts.errors import SourceError
from prompt_worker.prompts.registry import document as documents
from prompt_worker.prompts.registry.document import DocumentError, Position
from prompt_worker.prompts.registry.sources import endpoint
from prompt_worker.prompts.registry.sources.bucket import BucketSource
from prompt_worker.prompts.registry.sources.database import DatabaseSource
from prompt_worker.prompts.registry.sources.endpoint import EndpointSource
from prompt_worker.prompts.registry.sources.file import FileSource
from prompt_worker.prompts.registry.sources.source import Known
from prompt_worker.prompts.registry.waking import Waking
from tests.support.http_server import Handler, HttpServer
from tests.support.registry import Owner, document, soon, version
from tests.support.timing import LATE

NAME = "tutor/hints"


class Server(HttpServer):
    """`document` is what it has; `answer`, where it is set, is what it does instead."""

    def __init__(self) -> None:
        super().__init__(Documents)
        self.document = document(version(NAME, 1, "one"))
        self.changed = threading.Event()
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.answer: Callable[[Handler], None] | None = None

    def shutdown(self) -> None:
        # Who waits for a change is answered.
        self.changed.set()
        super().shutdown()

    def put(self, content: bytes) -> None:
        self.document = content
        self.changed.set()
        self.changed = threading.Event()


class Documents(Handler):
    server: Server

    def get(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        if self.server.answer is not None:
            self.server.answer(self)
            return
        held = documents.decode(self.server.document)
        query = parse_qs(urlsplit(self.path).query)
        if "after" in query:
            if query["after"] == [str(held.position)]:
                self.server.changed.wait(float(query["wait"][0]))
                held = documents.decode(self.server.document)
            self.reply(json.dumps({"epoch": held.epoch, "revision": held.revision}).encode())
        elif self.headers.get("If-None-Match") == f'"{held.sha256()}"':
            self.reply(b"", 304)
        else:
            zipped = gzip.compress(self.server.document)
            self.reply(zipped, ETag=f'"{held.sha256()}"', **{"Content-Encoding": "gzip"})


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        yield made


def text(prompts: PromptTemplateService, **choice: Any) -> str:
    return prompts.get(NAME, **choice).render().text


# --- the endpoint ---


def test_endpoint_is_followed_by_its_long_poll(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "SPREAD_SECONDS", 0.1)
    prompts = PromptTemplateService(registry=f"{server.address}/v1/registry", last_good=tmp_path)
    assert prompts.start(wait=20)
    assert text(prompts) == "one"
    server.put(document(version(NAME, 1, "one", active=False), version(NAME, 2, "two"), revision=2))
    assert soon(lambda: text(prompts) == "two") < LATE
    assert [text(prompts, version=number) for number in (1, 2)] == ["one", "two"]
    paths = [path for path, _ in server.requests]
    assert paths[:2] == ["/v1/registry", "/v1/registry?after=1:1&wait=25"]
    before = time.monotonic()
    assert prompts._following is not None
    refresher = prompts._following.refresher
    prompts.close()
    # It hangs in its long poll, and ends with the service.
    soon(lambda: not refresher.is_running())
    assert time.monotonic() - before < LATE


def test_document_that_the_client_has_is_not_sent_again(server: Server) -> None:
    source = EndpointSource(f"{server.address}/v1/registry", "registry=")
    first = source.fetch(None)
    assert first is not None
    known = Known(first.document.position, first.tag)
    assert source.fetch(known) is None
    server.put(document(version(NAME, 2, "two")))
    again = source.fetch(known)
    assert again is not None
    assert again.document.versions[0].version == 2


def test_endpoint_that_does_not_hold_its_polls_is_asked_seldom(server: Server) -> None:
    source = EndpointSource(server.address, "registry=")
    known = Known(Position(documents.decode(server.document).registry_id, 1, 1), None)
    server.answer = lambda handler: handler.reply(b'{"epoch": 1, "revision": 1, "later": 2}')
    waking = Waking()
    threading.Timer(1.0, waking.set).start()
    started = time.monotonic()
    assert source.wait(known, waking) is False
    assert 0.9 < time.monotonic() - started < 1 + LATE


def drips(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(1000):
        handler.wfile.write(b" ")
        time.sleep(0.05)


def cut(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (lambda each: each.reply(b"secret", 401), SourceError, "does not accept the token"),
        (lambda each: each.reply(b"secret", 403), SourceError, "may not read it"),
        (lambda each: each.reply(b"secret", 404), SourceError, "is the address right"),
        (lambda each: each.reply(b"secret", 503), SourceError, "answers 503"),
        (lambda each: each.reply(b"", 304), SourceError, "answers 304"),
        (lambda each: each.reply(b"", 302, Location="http://127.0.0.1:1/"), SourceError, "answers 302"),
        (lambda each: each.reply(b"<html>secret"), DocumentError, "not whole or not JSON"),
        (lambda each: each.reply(b"secret", **{"Content-Encoding": "gzip"}), SourceError, "unpacked"),
        (
            lambda each: each.reply(gzip.compress(b"{}")[:-4], **{"Content-Encoding": "gzip"}),
            SourceError,
            "unpacked",
        ),
        (lambda each: each.wfile.write(b"secret\r\n\r\n"), SourceError, "not HTTP"),
        (drips, SourceError, "takes too long"),
        (cut, SourceError, "not whole"),
    ],
)
def test_answer_that_is_no_document_is_an_error_in_time(
    server: Server, monkeypatch: pytest.MonkeyPatch, answer: Any, error: type[Exception], said: str
) -> None:
    monkeypatch.setattr(endpoint, "ATTEMPT_SECONDS", 1.0)
    server.answer = answer
    source = EndpointSource(server.address, "registry=")
    started = time.monotonic()
    with pytest.raises(error) as caught:
        source.fetch(None)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
    assert time.monotonic() - started < 2 + LATE


def test_answer_that_grows_without_end_is_left(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "BYTES_LIMIT", 1_000_000)
    source = EndpointSource(server.address, "registry=")
    bomb = gzip.compress(b" " * 50_000_000)
    server.answer = lambda handler: handler.reply(bomb, **{"Content-Encoding": "gzip"})
    with pytest.raises(SourceError, match="more than 1,000,000 bytes"):
        source.fetch(None)
    server.answer = lambda handler: handler.reply(b" " * 1_100_000)
    with pytest.raises(SourceError, match="more than 1,000,000 bytes"):
        source.fetch(None)


def test_token_of_the_service_account_goes_with_each_request(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a metadata server, as Cloud Run has one."""
    with Server() as metadata:
        from google.auth.compute_engine import _metadata

        host = metadata.host
        monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", host)
        monkeypatch.setenv("GCE_METADATA_HOST", host)
        monkeypatch.setenv("GCE_METADATA_IP", host)
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        monkeypatch.setenv("PROMPT_REGISTRY_AUDIENCE", "https://registry.test")
        token = _unsigned({"exp": int(time.time()) + 3600, "aud": "https://registry.test"})
        metadata.answer = lambda handler: handler.reply(
            token.encode() if "identity" in handler.path else b'{"email": "tutor@project.test"}',
            **{
                "Metadata-Flavor": "Google",
                "Content-Type": "application/text" if "identity" in handler.path else "application/json",
            },
        )
        source = EndpointSource(f"{server.address}/v1/registry", "registry=")
        for _ in range(2):
            assert source.fetch(None) is not None
        assert [headers["Authorization"] for _, headers in server.requests] == [f"Bearer {token}"] * 2
        asked = [path for path, _ in metadata.requests if "identity" in path]
        assert len(asked) == 1
        assert "audience=https" in asked[0]
        metadata.answer = lambda handler: handler.reply(b"secret", 500)
        broken = EndpointSource(f"{server.address}/v1/registry", "registry=")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/none")
        with pytest.raises(SourceError, match="no Google ID token here"):
            broken.fetch(None)


def _unsigned(claims: dict[str, Any]) -> str:
    import base64

    parts = [
        base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=") for each in ({"alg": "x"}, claims)
    ]
    return b".".join([*parts, b"c2ln"]).decode()


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com/v1/registry",
        "https://user:secret@example.com/v1/registry",
        "https://",
        "https://example.com:port/",
        "https://example.com/v1/registry?secret=1",
        "gs://bucket",
        "gs:///object",
        "file://host/path",
        "file://relative",
        "ftp://example.com/",
    ],
)
def test_address_that_cannot_be_a_registry_is_refused_at_once(address: str) -> None:
    with pytest.raises(SettingsError) as caught:
        PromptTemplateService(registry=address, last_good="none")
    assert "secret" not in str(caught.value)


# --- a bucket, a file ---


@pytest.fixture
def bucket(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)

    def answer(handler: Handler) -> None:
        tag = f'"{documents.decode(server.document).sha256()}"'
        if handler.headers.get("If-None-Match") == tag:
            handler.reply(b"", 304)
        else:
            handler.reply(server.document, ETag=tag)

    server.answer = answer
    return server


def test_bucket_is_read_by_its_entity_tag(bucket: Server) -> None:
    source = BucketSource("gs://prompts/live/registry.json", "registry=")
    first = source.fetch(None)
    assert first is not None
    assert bucket.requests[0][0] == "/storage/v1/b/prompts/o/live%2Fregistry.json?alt=media"
    known = Known(first.document.position, first.tag)
    assert source.fetch(known) is None
    bucket.put(document(version(NAME, 2, "two"), revision=2))
    second = source.fetch(known)
    assert second is not None
    assert second.document.revision == 2


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (lambda each: each.reply(b"secret", 404), SourceError, "registry export"),
        (lambda each: each.reply(b"secret", 403), SourceError, "storage.objects.get"),
        (lambda each: each.reply(b"secret", 500), SourceError, "answers 500"),
        (lambda each: each.reply(b"secret"), DocumentError, "not whole or not JSON"),
        (cut, SourceError, "does not answer"),
    ],
)
def test_object_that_cannot_be_read_is_an_error(
    bucket: Server, answer: Any, error: type[Exception], said: str
) -> None:
    bucket.answer = answer
    source = BucketSource("gs://prompts/registry.json", "registry=")
    with pytest.raises(error) as caught:
        source.fetch(None)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_bucket_without_credentials_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/none")
    with pytest.raises(SourceError, match="no Google credentials here"):
        BucketSource("gs://prompts/registry.json", "registry=").fetch(None)


def test_one_prompt_is_the_same_from_every_source(
    database: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Owner(database)
    owner.create(NAME, "one {{ q }}\n", 1, active=False)
    owner.create(NAME, "two {{ q }}\n", 2)
    fetched = DatabaseSource(database, "registry=").fetch(None)
    assert fetched is not None
    content = fetched.document.encode()
    server.put(content)
    path = tmp_path / "with space.json"
    path.write_bytes(content)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.host)
    found = []
    for address in (
        database,
        database.replace("postgresql://", "postgres://"),
        f"{server.address}/v1/registry",
        "gs://prompts/registry.json",
        f"file://{tmp_path}/with%20space.json",
    ):
        prompts = PromptTemplateService(registry=address, last_good="none")
        assert prompts.start(wait=30), prompts.health()
        for number in (1, 2):
            prompt = prompts.get(NAME, version=number)
            found.append((prompt.version, prompt.render({"q": "q"}).text, prompt.ref, prompt.content_sha256))
            assert prompts.get(NAME, ref=prompt.ref) is prompt
        assert prompts.get(NAME).version == 2
        prompts.close()
    assert len(set(found)) == 2
    assert [each[:3] for each in found[:2]] == [(1, "one q\n", f"{NAME}@1"), (2, "two q\n", f"{NAME}@2")]


def test_file_is_read_again_only_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    source = FileSource(f"file://{path}", "registry=")
    with pytest.raises(SourceError, match="No such file"):
        source.fetch(None)
    path.write_bytes(document(version(NAME, 1, "one")))
    first = source.fetch(None)
    assert first is not None
    assert source.fetch(Known(first.document.position, first.tag)) is None
