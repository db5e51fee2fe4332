"""An exported document in a bucket, as `prompt-worker registry export gs://…` writes it."""

from __future__ import annotations

import os
import time
import zlib
from urllib.parse import quote, urlsplit

import requests
from google.auth.exceptions import GoogleAuthError

from prompt_worker.platform.failures import SettingsError
from prompt_worker.prompts.errors import SourceError
from prompt_worker.prompts.registry.document import BYTES_LIMIT, decode
from prompt_worker.prompts.registry.sources import credentials
from prompt_worker.prompts.registry.sources.source import Fetched, Known, Polled

EMULATOR = "STORAGE_EMULATOR_HOST"
SECONDS = 5.0
ATTEMPT_SECONDS = 20.0
_CHUNK = 1 << 16
_HINTS = {
    401: "its credentials are not accepted",
    403: "the account needs storage.objects.get on it",
    404: "there is no such object: run prompt-worker registry export",
}


class BucketSource(Polled):
    """An object is replaced as a whole, and its entity tag with it."""

    age_seconds = 0.0

    def __init__(self, address: str, setting: str) -> None:
        parts = urlsplit(address)
        name = parts.path.removeprefix("/")
        if not parts.netloc or not name or parts.query or parts.fragment:
            raise SettingsError(f"{setting}: give gs://BUCKET/OBJECT")
        emulator = os.environ.get(EMULATOR)
        host = emulator or "https://storage.googleapis.com"
        if "://" not in host:
            host = f"http://{host}"
        self._url = f"{host}/storage/v1/b/{quote(parts.netloc, safe='')}/o/{quote(name, safe='')}?alt=media"
        self.name = f"gs://{parts.netloc}/{name}"
        self._anonymous = bool(emulator)
        self._session: requests.Session | None = None

    def fetch(self, known: Known | None) -> Fetched | None:
        headers = {"If-None-Match": known.tag} if known is not None and known.tag else {}
        if self._session is None:
            self._session = credentials.session(anonymous=self._anonymous)
        until = time.monotonic() + ATTEMPT_SECONDS
        try:
            with self._session.get(self._url, headers=headers, timeout=SECONDS, stream=True) as answer:
                if answer.status_code == 304 and known is not None:
                    return None
                if answer.status_code != 200:
                    hint = _HINTS.get(answer.status_code, "it may the next time")
                    raise SourceError(f"{self.name} answers {answer.status_code}: {hint}")
                return Fetched(decode(_read(answer, until)), answer.headers.get("ETag"))
        except (GoogleAuthError, requests.RequestException, OSError, zlib.error) as error:
            # Its connections may be those of before a change of the network.
            self._session = None
            raise SourceError(f"{self.name} does not answer: {type(error).__name__}") from None

    def forget(self) -> None:
        self._session = None


def _read(answer: requests.Response, until: float) -> bytes:
    parts, size = [], 0
    for chunk in answer.iter_content(_CHUNK):
        parts.append(chunk)
        size += len(chunk)
        if size > BYTES_LIMIT:
            raise SourceError(f"the object has more than {BYTES_LIMIT:,} bytes")
        if time.monotonic() > until:
            raise SourceError("the object takes too long to read")
    expected = answer.headers.get("Content-Length", "")
    if expected.isdigit() and not answer.headers.get("Content-Encoding") and size != int(expected):
        raise SourceError("the object was not read as a whole")
    return b"".join(parts)
