"""The last document that was served, on the disk: for a start while the registry is unavailable."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import stat
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import msgspec

from prompt_worker.prompts.registry.document import (
    BYTES_LIMIT,
    Document,
    DocumentError,
    Version,
    decode,
    now,
)

log = logging.getLogger(__name__)

_UNFINISHED_SECONDS = 3600
_FORMAT = 1


class _Header(msgspec.Struct):
    """The first line. `sha256` is of all that follows it."""

    format: int
    sha256: str
    saved_at: datetime


class _Body(msgspec.Struct):
    document: msgspec.Raw
    kept: list[Version] = []


class Saved(NamedTuple):
    """`kept`: versions that were served although the document had them no longer, or not usable."""

    document: Document
    kept: list[Version]
    age_seconds: float


class LastGood:
    """One file for each user and registry, so that services of several users may share the folder.

    Nothing here raises: without a disk a service does without. A file that is not whole, or of somebody else, is not
    read.
    """

    def __init__(self, folder: Path, address: str) -> None:
        self._folder = folder
        self._key = hashlib.sha256(address.encode()).hexdigest()[:16]
        self._trouble = ""
        self._saved = ""

    def load(self) -> Saved | None:
        """The newest that can be read."""
        for path in self._files():
            try:
                return _read(path)
            except FileNotFoundError:
                continue
            except (OSError, DocumentError, msgspec.MsgspecError, ValueError) as error:
                log.warning("the last good prompts in %s cannot be used: %s", path, _reason(error))
        return None

    def save(self, document: Document, kept: list[Version]) -> None:
        """Whole or not at all."""
        body = msgspec.json.encode(_Body(msgspec.Raw(document.encode()), kept))
        sha256 = hashlib.sha256(body).hexdigest()
        if sha256 == self._saved:
            return
        path = self._folder / self._name(document.registry_id)
        beside = self._folder / f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                _write(beside, msgspec.json.encode(_Header(_FORMAT, sha256, now())) + b"\n" + body)
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)
        except OSError as error:
            self._note(f"cannot keep the last good prompts in {self._folder}: {_reason(error)}")
            return
        self._note("")
        self._saved = sha256
        # Of the registry that this address led to before, and of processes that were killed while they wrote.
        for other in (*self._files(), *self._unfinished()):
            if other != path:
                with suppress(OSError):
                    other.unlink()

    def _name(self, registry_id: UUID | str) -> str:
        return f"{self._key}.{registry_id}.{os.geteuid()}.json"

    def _files(self) -> list[Path]:
        try:
            found = [(path.lstat().st_mtime_ns, path) for path in self._folder.glob(self._name("*"))]
        except OSError:
            return []
        return [path for _, path in sorted(found, reverse=True)]

    def _unfinished(self) -> list[Path]:
        """Nobody writes for that long."""
        try:
            found = [(path.lstat().st_mtime, path) for path in self._folder.glob(f".{self._name('*')}.*")]
        except OSError:
            return []
        return [path for written, path in found if time.time() - written > _UNFINISHED_SECONDS]

    def _note(self, trouble: str) -> None:
        """Once, as long as it stays the same."""
        if trouble and trouble != self._trouble:
            log.warning(trouble)
        self._trouble = trouble


def _read(path: Path) -> Saved:
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o022:
            raise ValueError("it is another user's, or others may write to it")
        line, _, body = file.read(BYTES_LIMIT + 1).partition(b"\n")
    header = msgspec.json.decode(line, type=_Header)
    if header.format != _FORMAT:
        raise ValueError("another version of prompt-worker wrote it")
    if header.sha256 != hashlib.sha256(body).hexdigest():
        raise ValueError("it is damaged")
    read = msgspec.json.decode(body, type=_Body)
    age = (now() - header.saved_at).total_seconds()
    # A clock may have been wrong then, or be so now.
    return Saved(decode(bytes(read.document)), read.kept, max(0.0, age))


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _reason(error: Exception) -> str:
    """Nothing that the file holds."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "it is damaged" if isinstance(error, msgspec.MsgspecError) else str(error)


def default_folder() -> Path | None:
    """A cache's usual place; None where there is no home."""
    if cache := os.environ.get("XDG_CACHE_HOME"):
        return Path(cache, "prompt-worker")
    try:
        return Path.home() / ".cache" / "prompt-worker"
    except RuntimeError:
        return None
