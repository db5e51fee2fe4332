"""`prompt-worker serve registry` as a process: who may read, what changes, and what goes on without a database."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

import pytest

from prompt_worker.local.servers.postgres import Postgres
from prompt_worker.local.servers.server import free_port
from prompt_worker.prompts.registry.document import decode
from tests.faults.test_shutdown import frozen
from tests.support.pipeline import Pipeline, wait_until
from tests.support.probing import probe
from tests.support.pushing import ACCOUNT, AUDIENCE, Signer
from tests.support.timing import LATE, STOP_SECONDS
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.embedded_only

PATH = "/v1/registry"


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Registry:
    """The endpoint on a free port, for readers whose tokens `signer` signs."""

    def __init__(self, pipeline: Pipeline, signer: Signer, **settings: str) -> None:
        self.port = free_port()
        self._signer = signer
        given = {
            "PORT": str(self.port),
            "PROMPT_WORKER_REGISTRY_AUDIENCE": AUDIENCE,
            "PROMPT_WORKER_REGISTRY_READERS": f"other@p.iam.gserviceaccount.com, {ACCOUNT}",
            "PROMPT_WORKER_REGISTRY_KEYS_URL": signer.url,
        }
        self.process: WorkerProcess = pipeline.command("serve", "registry", **given | settings)

    def __enter__(self) -> Self:
        self.process.wait_for(lambda _: probe(self.port, "/readyz")[0] == 200)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.process.__exit__(kind, error, traceback)

    def get(self, query: str = "", method: str = "GET", **headers: str) -> Reply:
        """As a reader that may; `headers` come beside its token."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return request(self.port, PATH + query, self._signer.bearer() | named, method)

    @property
    def revision(self) -> int:
        return int(json.loads(self.get("?after=0").body)["revision"])


def request(port: int, path: str, headers: dict[str, str], method: str = "GET") -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=70)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, names, response.read())
    finally:
        connection.close()


def change(pipeline: Pipeline, text: str = "Another text of {{ student_query }}.") -> None:
    """Another version of a seed becomes active."""
    pipeline.query(
        "INSERT INTO prompt_templates (name, version, template_text, is_active) "
        "SELECT name, max(version) + 1, %s, false FROM prompt_templates "
        "WHERE name = 'nlu_topic_extraction' GROUP BY name",
        text,
    )


@pytest.fixture(scope="module")
def signer() -> Iterator[Signer]:
    with Signer() as opened:
        yield opened


@pytest.fixture
def registry(pipeline: Pipeline, signer: Signer) -> Iterator[Registry]:
    with Registry(pipeline, signer) as opened:
        yield opened


def test_document_of_a_new_database_has_the_three_seeds(registry: Registry) -> None:
    reply = registry.get()
    document = decode(reply.body)
    assert {each.name for each in document.versions if each.is_active} == {
        "nlu_topic_extraction",
        "clarification_question_generation",
        "educational_script_generation",
    }
    assert reply.headers["etag"] == f'"{document.sha256()}"'
    assert reply.headers["prompt-registry-revision"] == f"{document.epoch}:{document.revision}"
    assert float(reply.headers["prompt-registry-age"]) < 5 + LATE


def test_head_gzip_and_304_over_the_wire(registry: Registry) -> None:
    whole, zipped = registry.get(), registry.get(accept_encoding="gzip")
    assert gzip.decompress(zipped.body) == whole.body
    head = registry.get(method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.body))
    assert head.headers["etag"] == whole.headers["etag"]
    for reply in (whole, zipped):
        again = registry.get(if_none_match=reply.headers["etag"])
        assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    ("sender", "status"),
    [("nobody", 401), ("expired", 401), ("another audience", 401), ("another account", 403)],
)
def test_reader_that_is_not_named_gets_nothing(
    registry: Registry, signer: Signer, sender: str, status: int
) -> None:
    headers = {
        "nobody": {},
        "expired": signer.bearer(exp=int(time.time()) - 3600),
        "another audience": signer.bearer(aud="https://elsewhere.example.com/"),
        "another account": signer.bearer(email="someone@elsewhere.example.com"),
    }[sender]
    for path in (PATH, f"{PATH}?after=1&wait=30"):
        reply = request(registry.port, path, headers)
        assert reply.status == status
        assert b"student" not in reply.body
    registry.process.wait_for(lambda process: "requests for the registry answered" in process.output)
    assert "elsewhere" not in registry.process.output


def test_waiting_client_hears_of_a_change_within_a_second(registry: Registry, pipeline: Pipeline) -> None:
    before = decode(registry.get().body)
    replies: list[tuple[float, Reply]] = []

    def wait() -> None:
        reply = registry.get(f"?after={before.epoch}:{before.revision}&wait=30")
        replies.append((time.monotonic(), reply))

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.5)
    assert replies == []
    changed = time.monotonic()
    change(pipeline)
    waiting.join(20)
    [(heard, reply)] = replies
    assert heard - changed < 1 + LATE
    assert json.loads(reply.body)["revision"] > before.revision
    after = registry.get(if_none_match=f'"{before.sha256()}"')
    assert decode(after.body).sha256() == json.loads(reply.body)["sha256"]
    assert "Another text" in after.body.decode()


def test_revision_stays_when_nothing_of_the_registry_changes(registry: Registry, pipeline: Pipeline) -> None:
    before = registry.get()
    pipeline.query("UPDATE prompt_templates SET updated_at = now()")
    reply = registry.get(f"?after={registry.revision}&wait=2")
    assert json.loads(reply.body)["revision"] == decode(before.body).revision
    assert registry.get(if_none_match=before.headers["etag"]).status == 304


def test_registry_is_served_while_the_database_is_down(
    registry: Registry, pipeline: Pipeline, postgres: Postgres
) -> None:
    before = registry.get()
    postgres.stop()
    registry.process.wait_for(lambda process: "the registry cannot be read" in process.output)
    time.sleep(1.5)
    reply = registry.get()
    assert reply.body == before.body
    assert float(reply.headers["prompt-registry-age"]) > 1
    assert probe(registry.port, "/readyz")[0] == 200
    assert probe(registry.port, "/healthz")[0] == 200
    postgres.start()
    change(pipeline)
    wait_until(
        lambda: registry.get().headers["etag"] != before.headers["etag"], 60, lambda: registry.process.output
    )
    assert registry.process.running


def test_database_that_hangs_delays_neither_answers_nor_the_end(
    registry: Registry, postgres: Postgres
) -> None:
    before = registry.get()
    with frozen(postgres):
        registry.process.wait_for(lambda process: "the registry cannot be read" in process.output)
        started = time.monotonic()
        reply = registry.get()
        assert (reply.status, reply.body) == (200, before.body)
        assert float(reply.headers["prompt-registry-age"]) > 5
        assert time.monotonic() - started < LATE
        assert probe(registry.port, "/readyz")[0] == 200
        code, seconds = registry.process.terminate()
    assert code == 0
    assert seconds < STOP_SECONDS


def test_endpoint_without_a_database_starts_and_is_not_ready(
    pipeline: Pipeline, signer: Signer, postgres: Postgres
) -> None:
    postgres.stop()
    registry = Registry(pipeline, signer)
    with registry.process as process:
        process.wait_for(lambda _: probe(registry.port, "/healthz")[0] == 200)
        assert probe(registry.port, "/readyz")[0] == 503
        assert registry.get().status == 503
        assert registry.get("?after=1&wait=30").status == 503
        postgres.start()
        process.wait_for(lambda _: probe(registry.port, "/readyz")[0] == 200)
        assert registry.get().status == 200


def test_ended_connections_of_the_endpoint_are_opened_again(registry: Registry, pipeline: Pipeline) -> None:
    before = registry.get().headers["etag"]
    pipeline.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'prompt-worker prompts'"
    )
    change(pipeline)
    wait_until(lambda: registry.get().headers["etag"] != before, 60, lambda: registry.process.output)


def test_sigterm_answers_those_who_wait_and_ends_with_0(registry: Registry) -> None:
    revision = registry.revision
    statuses: list[int] = []
    waiting = [
        threading.Thread(target=lambda: statuses.append(registry.get(f"?after={revision}&wait=60").status))
        for _ in range(20)
    ]
    for thread in waiting:
        thread.start()
    time.sleep(1)
    code, seconds = registry.process.terminate()
    for thread in waiting:
        thread.join(10)
    assert (code, statuses) == (0, [200] * 20)
    assert seconds < STOP_SECONDS


def test_reader_of_a_label_sees_its_versions_as_production(pipeline: Pipeline, signer: Signer) -> None:
    """Beside one that sees everything, each with an ETag of its own; a change wakes both."""
    everyone = "other@p.iam.gserviceaccount.com"
    change(pipeline)
    pipeline.query(
        "INSERT INTO prompt_labels (name, label, template_id) SELECT name, 'staging', id FROM prompt_templates "
        "WHERE name = 'nlu_topic_extraction' AND version = 2"
    )
    readers = f"{everyone}, {ACCOUNT}=staging"
    with Registry(pipeline, signer, PROMPT_WORKER_REGISTRY_READERS=readers) as registry:
        narrow, wide = registry.get(), request(registry.port, PATH, signer.bearer(email=everyone))
        document = decode(narrow.body)
        assert [(each.name, each.version, each.is_active) for each in document.versions] == [
            ("nlu_topic_extraction", 2, True)
        ]
        assert len(decode(wide.body).versions) == 4
        assert narrow.headers["etag"] != wide.headers["etag"]
        assert registry.get(if_none_match=narrow.headers["etag"]).status == 304
        assert registry.get(if_none_match=wide.headers["etag"]).status == 200
        position = narrow.headers["prompt-registry-revision"]
        assert position == wide.headers["prompt-registry-revision"]
        heard: list[Reply] = []
        waiting = threading.Thread(target=lambda: heard.append(registry.get(f"?after={position}&wait=20")))
        waiting.start()
        pipeline.query(
            "UPDATE prompt_labels SET template_id = (SELECT id FROM prompt_templates "
            "WHERE name = 'nlu_topic_extraction' AND version = 1)"
        )
        waiting.join(15)
        (news,) = heard
        after = decode(registry.get().body)
        assert [each.version for each in after.versions] == [1]
        assert json.loads(news.body)["sha256"] == after.sha256()
    refused = Registry(pipeline, signer, PROMPT_WORKER_REGISTRY_READERS=f"{ACCOUNT}=3")
    with refused.process as process:
        assert process.wait() == 78
        assert f"{ACCOUNT}=3 names no label" in process.ending["message"]


def test_missing_registry_settings_are_named_all_at_once(pipeline: Pipeline) -> None:
    with pipeline.command("serve", "registry", DATABASE_URL="", PORT="none") as process:
        assert process.wait() == 78
        for name in (
            "DATABASE_URL is not set",
            "PORT",
            "PROMPT_WORKER_REGISTRY_AUDIENCE is not set",
            "PROMPT_WORKER_REGISTRY_READERS is not set",
        ):
            assert name in process.ending["message"]


def test_registry_without_token_works_only_beside_the_emulator(pipeline: Pipeline) -> None:
    settings = {"PUBSUB_EMULATOR_HOST": "", "PROMPT_WORKER_REGISTRY_WITHOUT_TOKEN": "true"}
    with pipeline.command("serve", "registry", **settings) as process:
        assert process.wait() == 78
        assert "PROMPT_WORKER_REGISTRY_WITHOUT_TOKEN is for tests" in process.output


def test_login_without_the_role_is_named_and_waited_for(pipeline: Pipeline, signer: Signer) -> None:
    """It may be granted while the endpoint runs."""
    login = f"reader_{pipeline.database.rpartition('/')[2]}"
    pipeline.query(f'CREATE ROLE "{login}" LOGIN')
    try:
        registry = Registry(
            pipeline, signer, DATABASE_URL=pipeline.database.replace("postgres@", f"{login}@", 1)
        )
        with registry.process as process:
            process.wait_for(lambda each: "the registry cannot be read" in each.output)
            assert "prompt_reader" in process.output
            assert registry.get().status == 503
            pipeline.query(f'GRANT prompt_reader TO "{login}"')
            process.wait_for(lambda _: probe(registry.port, "/readyz")[0] == 200, 40)
            assert len(decode(registry.get().body).versions) == 3
    finally:
        pipeline.query(f'DROP ROLE "{login}"')


def raw(port: int, sent: bytes, seconds: float = 30) -> bytes:
    """All that is answered to these bytes until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as client:
        answered = b""
        try:
            client.sendall(sent)
            while block := client.recv(65536):
                answered += block
        except OSError:
            pass
        return answered


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (lambda: b"GET /v1/registry HTTP/1.1\r\nX: " + b"x" * 10_000_000, b"431"),
        (lambda: b"GET /v1/registry?" + b"x" * 10_000_000, b"431"),
        (lambda: b"GET /v1/registry HTTP/1.1\r\n" + b"X: y\r\n" * 1_000_000, b"431"),
        (lambda: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 100, b"400"),
        (lambda: b"GET\r\n\r\n", b"400"),
    ],
    ids=["a giant header", "a giant query", "a million headers", "TLS", "no request"],
)
def test_head_of_a_request_that_has_no_end_is_refused(
    registry: Registry, sent: Callable[[], bytes], status: bytes
) -> None:
    peak = registry.process.peak
    answered = raw(registry.port, sent())
    # A client that goes on sending may lose the answer when the connection is closed.
    assert not answered or answered.startswith(b"HTTP/1.1 " + status)
    assert registry.get().status == 200
    assert registry.process.peak - peak < 20_000_000


def test_clients_that_send_nothing_or_slowly_are_let_go(registry: Registry) -> None:
    """And others are answered meanwhile."""
    begun = time.monotonic()
    slow = [socket.create_connection(("127.0.0.1", registry.port)) for _ in range(300)]
    for number, client in enumerate(slow):
        client.settimeout(60)
        if number % 2:
            client.sendall(b"GET /v1/registry HTTP/1.1\r\nHost: ")
    assert registry.get().status == 200
    ended = 0
    while ended < len(slow) and time.monotonic() - begun < 40:
        for client in slow[1::2]:
            try:
                client.send(b"x")
            except OSError:
                ended = len(slow)
                break
        time.sleep(1)
    for client in slow:
        with suppress(ConnectionError):
            assert client.recv(10) == b""
        client.close()
    assert 10 < time.monotonic() - begun < 40
    assert registry.get().status == 200


def test_clients_above_the_limit_are_answered_503(pipeline: Pipeline, signer: Signer) -> None:
    with Registry(pipeline, signer, PROMPT_WORKER_REGISTRY_CLIENTS="20") as registry:
        idle = [socket.create_connection(("127.0.0.1", registry.port)) for _ in range(30)]
        time.sleep(0.3)
        assert registry.get().status == 503
        for client in idle:
            client.close()
        wait_until(lambda: registry.get().status == 200, 60, lambda: registry.process.output)


def test_clients_that_leave_are_forgotten(pipeline: Pipeline, signer: Signer) -> None:
    metrics = free_port()
    with Registry(pipeline, signer, PROMPT_WORKER_METRICS_PORT=str(metrics)) as registry:
        query = f"?after={registry.revision}&wait=60"
        head = f"GET {PATH}{query} HTTP/1.1\r\nHost: a\r\nAuthorization: {signer.bearer()['Authorization']}\r\n\r\n"
        held = [socket.create_connection(("127.0.0.1", registry.port)) for _ in range(50)]
        for client in held:
            client.sendall(head.encode())
        wait_until(lambda: gauge(metrics, "registry_clients") == 50, 60, lambda: registry.process.output)
        for client in held:
            client.close()
        wait_until(lambda: gauge(metrics, "registry_clients") == 0, 60, lambda: registry.process.output)
        assert gauge(metrics, "prompt_registry_age_seconds") < 5 + LATE
        assert registry.process.messages("WARNING", "ERROR") == []


def gauge(port: int, name: str) -> float:
    _, page = probe(port, "/metrics")
    [line] = [line for line in page.splitlines() if line.startswith(f"prompt_worker_{name}{{")]
    return float(line.rsplit(" ", 1)[1])


def test_restored_backup_is_served_once_it_has_a_new_epoch(registry: Registry, pipeline: Pipeline) -> None:
    first = registry.revision
    change(pipeline)
    wait_until(lambda: registry.revision > first, 60, lambda: registry.process.output)
    before = registry.get()
    pipeline.query("ALTER TABLE prompt_registry DISABLE TRIGGER USER")
    pipeline.query("UPDATE prompt_registry SET revision = 1")
    pipeline.query("ALTER TABLE prompt_registry ENABLE TRIGGER USER")
    registry.process.wait_for(lambda process: "new-epoch" in process.output)
    assert registry.get().body == before.body
    pipeline.query("UPDATE prompt_registry SET epoch = epoch + 1")
    wait_until(
        lambda: registry.get().headers["prompt-registry-revision"].startswith("2:"),
        30,
        lambda: registry.process.output,
    )
