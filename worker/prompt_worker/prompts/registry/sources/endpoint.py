"""A client of `prompt-worker serve registry`: the document by its entity tag, and a long poll for news."""

from __future__ import annotations

import http.client
import os
import random
import socket
import time
import zlib
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from prompt_worker.platform.failures import SettingsError
from prompt_worker.prompts.errors import SourceError
from prompt_worker.prompts.registry.document import BYTES_LIMIT, decode
from prompt_worker.prompts.registry.sources.source import Fetched, Known, pause, without_secrets
from prompt_worker.prompts.registry.waking import Waking

AUDIENCE = "PROMPT_REGISTRY_AUDIENCE"
# For local tests: no token, as beside an emulator.
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_STEP_SECONDS = 5.0
ATTEMPT_SECONDS = 20.0
WAIT_SECONDS = 25
# After news, so that not all clients of an endpoint fetch the document at the same moment.
SPREAD_SECONDS = 5.0
# A long poll that ends sooner without any news did not wait.
_HELD_SECONDS = 1.0
_CHUNK = 1 << 16
_HINTS = {
    401: "it does not accept the token: is the account one of its readers?",
    403: "the account may not read it",
    404: "is the address right? it ends with /v1/registry",
}


class Head(msgspec.Struct):
    """What a long poll answers."""

    epoch: int
    revision: int


class Answer(NamedTuple):
    status: int
    body: bytes
    tag: str | None
    age: float


class EndpointSource:
    """`age_seconds`: for how long the endpoint itself has not heard from its database."""

    def __init__(self, address: str, setting: str) -> None:
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError:
            raise SettingsError(f"{setting} cannot be read: give https://HOST/v1/registry") from None
        host = parts.hostname or ""
        if not host or parts.username is not None or parts.query or parts.fragment:
            raise SettingsError(f"{setting}: give https://HOST/v1/registry, without a login and a query")
        if parts.scheme == "http" and host not in _LOOPBACK:
            raise SettingsError(f"{setting}: prompts are confidential, so give https://")
        self._secure = parts.scheme == "https"
        self._host, self._port = host, port
        self._path = parts.path if parts.path not in ("", "/") else "/v1/registry"
        self.name = without_secrets(address)
        self.age_seconds = 0.0
        self._open: http.client.HTTPConnection | None = None
        audience = os.environ.get(AUDIENCE) or (f"https://{parts.netloc}" if self._secure else "none")
        self._token = None
        if audience != "none":
            from prompt_worker.prompts.registry.sources.credentials import IdentityToken

            self._token = IdentityToken(audience)

    def fetch(self, known: Known | None) -> Fetched | None:
        headers = {"If-None-Match": known.tag} if known is not None and known.tag else {}
        answer = self._get(self._path, headers, ATTEMPT_SECONDS)
        self.age_seconds = answer.age
        if answer.status == 304:
            return None
        return Fetched(decode(answer.body), answer.tag)

    def wait(self, known: Known, waking: Waking) -> bool:
        started = time.monotonic()
        after = f"{self._path}?after={known.position}&wait={WAIT_SECONDS}"
        answer = self._get(after, {}, WAIT_SECONDS + ATTEMPT_SECONDS)
        self.age_seconds = answer.age
        try:
            head = msgspec.json.decode(answer.body, type=Head)
        except msgspec.DecodeError:
            raise SourceError(f"{self.name} is no registry: what it answers is no revision") from None
        if (head.epoch, head.revision) != (known.position.epoch, known.position.revision):
            waking.wait(random.uniform(0, SPREAD_SECONDS))  # noqa: S311 - no secret
            return True
        if time.monotonic() - started < _HELD_SECONDS:
            waking.wait(pause())
        return False

    def close(self) -> None:
        opened = self._open
        if opened is not None and opened.sock is not None:
            with suppress(OSError):
                opened.sock.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        self._open = None

    def _get(self, path: str, headers: dict[str, str], seconds: float) -> Answer:
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.current()}"
        until = time.monotonic() + seconds
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        # A long poll's first byte may come late.
        opened = self._open = kind(self._host, self._port, timeout=_STEP_SECONDS)
        try:
            opened.connect()
            opened.sock.settimeout(max(_STEP_SECONDS, seconds - _STEP_SECONDS))
            opened.request("GET", path, headers={"Accept-Encoding": "gzip", "Connection": "close", **headers})
            answer = opened.getresponse()
            body = _read(answer, until)
            age = answer.headers.get("Prompt-Registry-Age", "0")
            tag = answer.headers.get("ETag")
            if answer.headers.get("Content-Encoding", "").lower() == "gzip":
                body = unzipped(body)
        except (OSError, http.client.HTTPException, zlib.error) as error:
            raise SourceError(f"{self.name} does not answer: {_reason(error)}") from None
        finally:
            self._open = None
            opened.close()
        if answer.status != 200 and not (answer.status == 304 and "If-None-Match" in headers):
            hint = _HINTS.get(answer.status, "it may the next time")
            raise SourceError(f"{self.name} answers {answer.status}: {hint}")
        return Answer(answer.status, body, tag, float(age) if age.replace(".", "", 1).isdigit() else 0.0)


def _read(answer: http.client.HTTPResponse, until: float) -> bytes:
    """All of it. A server that sends a byte now and then is not waited for."""
    parts, size = [], 0
    while chunk := answer.read1(_CHUNK):
        parts.append(chunk)
        size += len(chunk)
        if size > BYTES_LIMIT:
            raise SourceError(f"the registry's answer has more than {BYTES_LIMIT:,} bytes")
        if time.monotonic() > until:
            raise TimeoutError("the answer takes too long")
    if answer.length:
        raise http.client.IncompleteRead(b"")
    return b"".join(parts)


def unzipped(body: bytes) -> bytes:
    """Raises `zlib.error`, and `SourceError` where it grows without end."""
    inflating = zlib.decompressobj(wbits=31)
    whole = inflating.decompress(body, BYTES_LIMIT + 1)
    if len(whole) > BYTES_LIMIT:
        raise SourceError(f"the registry's answer has more than {BYTES_LIMIT:,} bytes")
    if not inflating.eof:
        raise zlib.error("it is not whole")
    return whole


def _reason(error: Exception) -> str:
    """On one line, and nothing that a server wrote."""
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    if isinstance(error, zlib.error):
        return "the answer cannot be unpacked"
    return f"the answer is not HTTP, or not whole ({type(error).__name__})"
