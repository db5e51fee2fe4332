"""Pub/Sub's side of a push: envelopes, tokens signed with a test key, and requests."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

from prompt_worker.local.servers.server import free_port
from tests.support.http_server import Handler, HttpServer
from tests.support.pipeline import Pipeline
from tests.support.probing import probe

AUDIENCE = "https://push.example.com/"
ACCOUNT = "pusher@test-project.iam.gserviceaccount.com"
EXECUTIONS = "/push/executions"
GUARDRAILS = "/push/guardrails"
FEEDBACK = "/push/feedback"


def envelope(body: bytes, message_id: str = "1", **attributes: str) -> bytes:
    """The body of a push request, as Pub/Sub sends it."""
    message: dict[str, Any] = {
        "data": base64.b64encode(body).decode(),
        "messageId": message_id,
        "message_id": message_id,
        "publishTime": "2026-11-23T04:00:00.123456789Z",
        "publish_time": "2026-11-23T04:00:00.123456789Z",
    }
    if attributes:
        message["attributes"] = attributes
    return json.dumps(
        {"message": message, "subscription": "projects/p/subscriptions/s", "deliveryAttempt": 3}
    ).encode()


class Signer:
    """Signs tokens, and serves its public key at `url` as Google does; `fetches` counts who asked for it."""

    def __init__(self, key_id: str = "key-1") -> None:
        self.keys: dict[str, RSAPrivateKey] = {}
        self.add(key_id)
        self.fetches = 0
        self._server = HttpServer(self._handler())
        self.url = f"{self._server.address}/certs"

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, traceback)

    @property
    def settings(self) -> dict[str, str]:
        return {
            "PROMPT_WORKER_PUSH_AUDIENCE": AUDIENCE,
            "PROMPT_WORKER_PUSH_SERVICE_ACCOUNT": ACCOUNT,
            "PROMPT_WORKER_PUSH_KEYS_URL": self.url,
        }

    def add(self, key_id: str) -> None:
        self.keys[key_id] = generate_private_key(public_exponent=65537, key_size=2048)

    def token(self, key_id: str = "key-1", **claims: Any) -> str:
        """A token that is accepted; `claims` replace its own, None leaves one out."""
        now = int(time.time())
        given = {
            "aud": AUDIENCE,
            "email": ACCOUNT,
            "email_verified": True,
            "exp": now + 3600,
            "iat": now,
            "iss": "https://accounts.google.com",
            "sub": "113774264463038321964",
        } | claims
        kept = {name: value for name, value in given.items() if value is not None}
        return jwt.encode(kept, self.keys[key_id], "RS256", headers={"kid": key_id})

    def bearer(self, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(**claims)}"}

    def _handler(signer) -> type[Handler]:  # noqa: N805 - self is the handler's
        class Certificates(Handler):
            def get(self) -> None:
                signer.fetches += 1
                keys = [
                    RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": key_id, "use": "sig"}
                    for key_id, key in signer.keys.items()
                ]
                self.reply(json.dumps({"keys": keys}).encode())

        return Certificates


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str


def post(
    port: int, path: str, body: bytes, headers: dict[str, str] | None = None, *, method: str = "POST"
) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, names, response.read().decode())
    finally:
        connection.close()


def post_all(
    port: int, path: str, bodies: Sequence[bytes], headers: dict[str, str] | None = None
) -> list[int]:
    """Posts all at once, a connection each; their statuses, 0 where the connection was lost."""

    async def send(body: bytes) -> int:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
            writer.write("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body)
            status = await asyncio.wait_for(reader.readline(), 60)
            writer.close()
        except OSError:
            return 0
        return int(status.split()[1]) if status else 0

    async def send_all() -> list[int]:
        return await asyncio.gather(*map(send, bodies))

    return asyncio.run(send_all())


class Serving:
    """`prompt-worker serve executions` on a free port, accepting what `signer` signs."""

    def __init__(self, pipeline: Pipeline, signer: Signer, **settings: str) -> None:
        self.port = free_port()
        self._signer = signer
        self.process = pipeline.command(
            "serve", "executions", PORT=str(self.port), **signer.settings | settings
        )

    def __enter__(self) -> Self:
        self.process.wait_for(lambda _: probe(self.port, "/healthz")[0] == 200)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.process.__exit__(kind, error, traceback)

    def push(self, body: bytes) -> Reply:
        """Pushes one event, as Pub/Sub would."""
        return post(self.port, EXECUTIONS, envelope(body), self._signer.bearer())

    def push_all(self, bodies: Sequence[bytes]) -> list[int]:
        """Pushes all at once; their statuses."""
        return post_all(self.port, EXECUTIONS, [envelope(body) for body in bodies], self._signer.bearer())
