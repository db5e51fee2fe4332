"""A registry's document as a file or an object of a bucket, for services that reach neither database nor endpoint.

It is replaced as a whole or not at all, and never by an older one.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, urlsplit

import requests
from google.auth.exceptions import GoogleAuthError

from prompt_worker.prompts.errors import PromptError, SourceError
from prompt_worker.prompts.registry.document import Document, DocumentError, check_order, decode
from prompt_worker.prompts.registry.sources import credentials
from prompt_worker.prompts.registry.sources.bucket import EMULATOR
from prompt_worker.prompts.registry.sources.database import DatabaseSource

SECONDS = 30.0
_HINTS = {
    401: "its credentials are not accepted",
    403: "the account needs storage.objects.create, .delete and .get on it",
    404: "there is no such bucket",
    412: "another export replaced it meanwhile: run it again",
}


class ExportError(PromptError):
    """Nothing was replaced."""

    exit_code = 74


def read_registry(url: str) -> Document:
    """Of the database at `url`, which DATABASE_URL holds. Raises `SettingsError`, `SourceError`, `DocumentError`."""
    fetched = DatabaseSource(url, "DATABASE_URL", listen=False).fetch(None)
    if fetched is None:
        raise SourceError("the database gave no document")
    return fetched.document


def export(document: Document, target: str, *, force: bool = False) -> None:
    """To `gs://BUCKET/OBJECT` or a path. `force`: whatever is there.

    Raises `ExportError`, `SourceError`, and `DocumentError` where a later document, or another registry's, is there.
    """
    if target.startswith("gs://"):
        _export_object(document, target, force=force)
    else:
        _export_file(document, Path(target), force=force)


def _export_file(document: Document, path: Path, *, force: bool) -> None:
    # Where a link leads, so that the link stays one.
    path = path.resolve()
    # To replace a device or a pipe by a file would take it away from everybody.
    if path.exists() and not path.is_file():
        raise ExportError(f"{path} is no file: give the path of one, or - for standard output")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if not force and path.exists():
            _check(document, path.read_bytes())
        with beside.open("xb") as file:
            file.write(document.encode())
            file.flush()
            # So that a crash of the machine leaves the one or the other.
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise ExportError(f"cannot write {path}: {error.strerror}") from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _export_object(document: Document, target: str, *, force: bool) -> None:
    parts = urlsplit(target)
    bucket, name = quote(parts.netloc, safe=""), quote(parts.path.removeprefix("/"), safe="")
    if not bucket or not name or parts.query or parts.fragment:
        raise ExportError(f"{target} is no object: give gs://BUCKET/OBJECT")
    emulator = os.environ.get(EMULATOR, "")
    host = emulator or "https://storage.googleapis.com"
    host = host if "://" in host else f"http://{host}"
    session = credentials.session(anonymous=bool(emulator), scope=credentials.READ_WRITE)
    condition = ""
    try:
        if not force:
            found = session.get(f"{host}/storage/v1/b/{bucket}/o/{name}?alt=media", timeout=SECONDS)
            if found.status_code == 200:
                _check(document, found.content)
            elif found.status_code != 404:
                raise _refused(target, found.status_code)
            # Only what was just looked at is replaced; 0: there is nothing.
            condition = f"&ifGenerationMatch={found.headers.get('x-goog-generation', '0')}"
        answer = session.post(
            f"{host}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}{condition}",
            data=document.encode(),
            headers={"Content-Type": "application/json"},
            timeout=SECONDS,
        )
    except (GoogleAuthError, requests.RequestException) as error:
        raise ExportError(f"{target} was not written: {type(error).__name__}") from None
    if answer.status_code != 200:
        raise _refused(target, answer.status_code)


def _refused(target: str, status: int) -> ExportError:
    return ExportError(f"{target} was not written, the answer is {status}: {_HINTS.get(status, 'try again')}")


def _check(document: Document, before: bytes) -> None:
    """Raises `DocumentError` for what must not be replaced by `document`."""
    try:
        found = decode(before)
    except DocumentError as error:
        raise ExportError(f"what is there is no registry's document, --force replaces it: {error}") from None
    try:
        check_order(document.position, found.position)
    except DocumentError as error:
        raise ExportError(f"what is there is kept, --force replaces it: {error}") from None
