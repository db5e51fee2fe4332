"""`prompt-worker serve` as a process: what Pub/Sub pushes becomes rows; each request is answered by its outcome."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from google.pubsub_v1.types import PushConfig

from prompt_worker.local.servers.server import free_port
from tests.support.events import bodies, body
from tests.support.pipeline import HMAC_KEY, Pipeline
from tests.support.probing import probe
from tests.support.pushing import ACCOUNT, EXECUTIONS, GUARDRAILS, Serving, Signer, envelope, post, post_all

pytestmark = pytest.mark.embedded_only


@pytest.fixture(scope="module")
def signer() -> Iterator[Signer]:
    with Signer() as opened:
        yield opened


def test_500_requests_at_once_share_few_commits(pipeline: Pipeline, signer: Signer) -> None:
    published = bodies(500)
    fetches = signer.fetches
    with Serving(pipeline, signer) as serving:
        assert serving.push_all(published) == [204] * 500
        assert serving.push_all(published[:100]) == [204] * 100, "duplicates"
        assert serving.process.terminate()[0] == 0
        assert serving.process.totals == {"written": 500, "duplicate": 100}
        assert serving.process.messages("WARNING", "ERROR") == []
    pipeline.assert_exact(published)
    [(commits,)] = pipeline.query("SELECT count(DISTINCT xmin::text) FROM prompt_executions")
    assert commits <= 100
    assert signer.fetches == fetches + 1


def test_rejected_event_is_answered_once_it_is_dead_lettered(pipeline: Pipeline, signer: Signer) -> None:
    bad = body(template_name="no_such_template")
    with Serving(pipeline, signer) as serving:
        assert sorted(serving.push_all([bad, body(), body()])) == [204] * 3
    [letter] = pipeline.dead_letters(1)
    assert letter.data == bad
    assert letter.attributes["dead-letter-error-class"] == "unknown_template"
    assert letter.attributes["dead-letter-source"] == "prompt-executions-writer"
    assert letter.attributes["dead-letter-message-id"] == "1"
    assert letter.attributes["dead-letter-first-seen"].startswith("2026-11-23T04:00:00.1234")
    assert pipeline.rows() == 2


def test_event_neither_written_nor_dead_lettered_gets_503(pipeline: Pipeline, signer: Signer) -> None:
    topology = pipeline.topology
    pipeline.publisher.delete_topic(topic=topology.topic_path(topology.names.dead_letter_topic))
    metrics = free_port()
    with Serving(pipeline, signer, PROMPT_WORKER_METRICS_PORT=str(metrics)) as serving:
        reply = serving.push(b"not an event")
        assert (reply.status, reply.headers["retry-after"]) == (503, "10")
        assert serving.push(body()).status == 204
        _, page = probe(metrics, "/metrics")
        serving.process.wait_for(lambda process: "answered 503: handed back" in process.output)
    [line] = [line for line in page.splitlines() if line.startswith("prompt_worker_refused_requests_total{")]
    assert 'status="503"' in line
    assert line.endswith(" 1.0")


def test_breaker_ends_the_service_and_its_requests_get_503(pipeline: Pipeline, signer: Signer) -> None:
    with Serving(pipeline, signer, PROMPT_WORKER_BREAKER_WINDOW="50") as serving:
        answered = serving.push_all([b"not an event"] * 60)
        assert set(answered) <= {503, 204, 0}
        assert 503 in answered
        assert serving.process.wait() == 70
        ending = serving.process.ending
        assert (ending["severity"], ending["exit_code"]) == ("CRITICAL", 70)
        assert "PROMPT_WORKER_BREAKER_WINDOW" in ending["message"]


@pytest.mark.parametrize(
    ("sender", "status", "reason"),
    [
        ("nobody", 401, "let the push subscription authenticate"),
        ("expired", 401, "expired"),
        ("another audience", 401, "PROMPT_WORKER_PUSH_AUDIENCE"),
        ("another account", 403, "PROMPT_WORKER_PUSH_SERVICE_ACCOUNT"),
        ("another signature", 401, "InvalidSignatureError"),
    ],
)
def test_sender_that_is_not_pub_sub_writes_nothing(
    pipeline: Pipeline, signer: Signer, sender: str, status: int, reason: str
) -> None:
    headers = {
        "nobody": {},
        "expired": signer.bearer(exp=int(time.time()) - 3600),
        "another audience": signer.bearer(aud="https://elsewhere.example.com/"),
        "another account": signer.bearer(email="someone@elsewhere.example.com"),
        "another signature": {"Authorization": f"Bearer {signer.token()[:-10]}AAAAAAAAAA"},
    }[sender]
    with Serving(pipeline, signer) as serving:
        requests = [envelope(body(rendered_prompt="A CONFIDENTIAL PROMPT"))] * 50
        assert post_all(serving.port, EXECUTIONS, requests, headers) == [status] * 50
        assert serving.push(body()).status == 204, "the next one is let in"
        serving.process.terminate()
        [warning] = serving.process.messages("WARNING", "ERROR")
        assert reason in warning
        assert "CONFIDENTIAL" not in serving.process.output
        token = headers.get("Authorization", "Bearer none at all").split(" ", 1)[1]
        for part in token.split("."):
            assert part not in serving.process.output
        assert "elsewhere" not in serving.process.output
    assert pipeline.rows() == 1


def test_body_that_is_no_envelope_is_never_acknowledged(pipeline: Pipeline, signer: Signer) -> None:
    bearer = signer.bearer()
    with Serving(pipeline, signer) as serving:

        def status(body: bytes, **headers: str) -> int:
            return post(serving.port, EXECUTIONS, body, bearer | headers).status

        assert status(b"A CONFIDENTIAL PROMPT") == 400
        assert status(b"") == 400
        assert status(body(rendered_prompt="A CONFIDENTIAL PROMPT")) == 400, "payload unwrapping is on"
        assert status(b'{"subscription": "projects/p/subscriptions/s"}') == 400
        assert status(envelope(b"x" * 11_000_000)) == 413
        assert status(b"\x00\xff" * 1000) == 400
        assert post(serving.port, EXECUTIONS, b"", bearer, method="GET").status == 405
        assert post(serving.port, "/push/elsewhere", b"", bearer).status == 404
        assert post(serving.port, GUARDRAILS, envelope(body()), bearer).status == 404, "executions only"
        assert status(envelope(body(rendered_prompt="x" * 9_000_000))) == 204, "a large one that is allowed"
        assert status(envelope(b"")) == 204, "a message without data is a dead letter"
        assert "payload unwrapping" in serving.process.output
        assert "CONFIDENTIAL" not in serving.process.output
    assert pipeline.rows() == 1
    assert len(pipeline.dead_letters(1)) == 1


def test_emulator_pushes_every_event_to_both_consumers(pipeline: Pipeline) -> None:
    port = free_port()
    settings = {
        "PORT": str(port),
        "PROMPT_WORKER_PUSH_WITHOUT_TOKEN": "true",
        "PROMPT_WORKER_HMAC_KEY": HMAC_KEY,
    }
    good, bad = bodies(300), [b"not an event", body(template_version=99)]
    with pipeline.command("serve", **settings) as serving:
        serving.wait_for(lambda _: probe(port, "/readyz")[0] == 200)
        topology = pipeline.topology
        for name, path in ((topology.names.writer, EXECUTIONS), (topology.names.guardrails, GUARDRAILS)):
            pipeline.subscriber.modify_push_config(
                subscription=topology.subscription_path(name),
                push_config=PushConfig(push_endpoint=f"http://127.0.0.1:{port}{path}"),
            )
        pipeline.publish(good + bad)
        pipeline.wait_for_rows(300, 60)
        pipeline.wait_for_evaluations(301, 60)
        letters = pipeline.dead_letters(2)
        assert serving.terminate()[0] == 0
    assert {letter.data for letter in letters} == set(bad)
    pipeline.assert_exact(good)


def test_answers_and_refusals_are_counted(pipeline: Pipeline, signer: Signer) -> None:
    metrics = free_port()
    with Serving(pipeline, signer, PROMPT_WORKER_METRICS_PORT=str(metrics)) as serving:
        assert serving.push_all(bodies(7)) == [204] * 7
        assert [post(serving.port, EXECUTIONS, envelope(body())).status for _ in range(3)] == [401] * 3
        _, page = probe(metrics, "/metrics")
    lines = [line for line in page.splitlines() if not line.startswith("#")]

    def value(metric: str, label: str) -> float:
        [line] = [line for line in lines if line.startswith(f"prompt_worker_{metric}{{") and label in line]
        return float(line.rsplit(" ", 1)[1])

    assert value("events_total", 'outcome="written"') == 7
    assert value("events_total", 'worker="executions"') == 7, "as of a worker that pulls: it does the same"
    assert value("refused_requests_total", 'status="401"') == 3


def test_missing_push_settings_are_named_at_start_all_at_once(pipeline: Pipeline) -> None:
    with pipeline.command("serve", DATABASE_URL="", PORT="none", PROMPT_WORKER_HMAC_KEY="short") as serving:
        assert serving.wait() == 78
        for name in (
            "PROMPT_WORKER_HMAC_KEY",
            "DATABASE_URL is not set",
            "PORT",
            "PROMPT_WORKER_PUSH_AUDIENCE is not set",
            "PROMPT_WORKER_PUSH_SERVICE_ACCOUNT is not set",
        ):
            assert name in serving.ending["message"]


def test_push_without_token_works_only_on_the_emulator(pipeline: Pipeline) -> None:
    with pipeline.command(
        "serve", PUBSUB_EMULATOR_HOST="", PROMPT_WORKER_PUSH_WITHOUT_TOKEN="true"
    ) as serving:
        assert serving.wait() == 78
        assert "PROMPT_WORKER_PUSH_WITHOUT_TOKEN is for the emulator" in serving.output


def test_taken_push_port_is_named(pipeline: Pipeline, signer: Signer) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pipeline.command("serve", "executions", PORT=port, **signer.settings) as serving:
            assert serving.wait() == 69
            assert f"PORT: cannot listen on port {port}" in serving.ending["message"]


def test_requests_get_503_while_keys_cannot_be_fetched(pipeline: Pipeline, signer: Signer) -> None:
    with Serving(
        pipeline, signer, PROMPT_WORKER_PUSH_KEYS_URL=f"http://127.0.0.1:{free_port()}/certs"
    ) as serving:
        assert serving.push(body()).status == 503
        serving.process.wait_for(lambda process: "Is egress to it allowed?" in process.output)
        assert ACCOUNT not in serving.process.output
