"""Lines that wait on disk: append-only segments in a folder that several processes may share.

A segment belongs to the process that holds its lock. The kernel releases it when that process dies, and the next one
claims the segment. Lines survive a killed process as soon as `append` returns, and a power cut after `sync`.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

SEGMENT_BYTES = 8_000_000
_SUFFIX = ".ndjson"
_SET_ASIDE = ".damaged"


class SpoolFullError(OSError):
    """The folder holds as many bytes as the setting allows."""


class Segment:
    """A segment claimed for reading; nobody else reads it until `release` or `remove`. All raise OSError."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd: int | None = fd

    def lines(self) -> Iterator[bytes]:
        """Each line without its newline; the last one may be torn when its writer was killed."""
        if self._fd is None:
            return
        with open(self._fd, "rb", closefd=False) as file:
            for line in file:
                yield line.rstrip(b"\n")

    def set_aside(self, lines: Iterable[bytes]) -> Path:
        """Copies `lines` to a file beside it, which nobody sends; that file."""
        path = self.path.with_suffix(_SET_ASIDE)
        fd = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        try:
            _write(fd, b"".join(line + b"\n" for line in lines))
        finally:
            os.close(fd)
        return path

    def remove(self) -> None:
        """Deletes it: all its lines are settled. If that fails it is empty, so that nothing is sent twice."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError:
            if self._fd is not None:
                os.ftruncate(self._fd, 0)
            raise
        finally:
            self.release()

    def release(self) -> None:
        """Unlocks it, for anyone to claim; may be called again."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)


class Spool:
    """A folder of segments, at most `limit` bytes in all. The folder must exist."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self._limit = limit
        self._lock = threading.RLock()
        self._fd: int | None = None
        self._size = 0
        # Bytes in other segments when this one was opened.
        self._others = 0
        # Names of files: not to be claimed again, and named in the log.
        self._skipped: set[str] = set()
        self._named: set[str] = set()

    def append(self, lines: Iterable[bytes]) -> None:
        """All of `lines` or, when it raises OSError, none of them."""
        # A newline inside JSON is always between tokens, where a space means the same.
        block = b"".join(line.replace(b"\n", b" ") + b"\n" for line in lines)
        with self._lock:
            fd = self._open() if self._fd is None or self._size >= SEGMENT_BYTES else self._fd
            if self._others + self._size + len(block) > self._limit:
                raise SpoolFullError(f"the spool holds its limit of {self._limit:,} bytes")
            try:
                _write(fd, block)
            except OSError:
                self._undo(fd)
                raise
            self._size += len(block)

    def sync(self) -> None:
        """Waits until the lines are on the disk itself; `append` goes on meanwhile."""
        with self._lock:
            fd = None if self._fd is None else os.dup(self._fd)
        if fd is not None:
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def claim(self) -> Segment | None:
        """The oldest segment that no living process holds; this one's own is closed first."""
        self.close()
        for path in self._paths():
            if path.name in self._skipped:
                continue
            try:
                fd = os.open(path, os.O_RDWR)
                if _lock(fd):
                    return Segment(path, fd)
                os.close(fd)
            except FileNotFoundError:
                continue
            except OSError as error:
                # Another user's, perhaps: no reason to keep the others waiting.
                self._name(path, error)
        return None

    def skip(self, segment: Segment, error: OSError) -> None:
        """Leaves it alone from now on, because of `error`."""
        self._skipped.add(segment.path.name)
        self._name(segment.path, error)

    def count(self) -> int:
        """The lines in the folder that can be read."""
        total = 0
        for path in self._paths():
            with suppress(OSError), path.open("rb") as file:
                total += sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
        return total

    def size(self) -> int:
        """The bytes in the folder."""
        total = 0
        for path in self._paths():
            with suppress(OSError):
                total += path.stat().st_size
        return total

    def close(self) -> None:
        """Unlocks the open segment, for anyone to claim."""
        with self._lock:
            self.abandon()

    def abandon(self) -> None:
        """Closes this process's copy alone; a forked child does so, and the segment stays locked by the parent."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> int:
        self.abandon()
        self._others, self._size = self.size(), 0
        while True:
            name = f"{time.time_ns():020d}-{os.getpid()}{_SUFFIX}"
            fd = os.open(self.folder / name, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o600)
            if _lock(fd):
                self._fd = fd
                return fd
            # Another process claimed it while it was new and empty.
            os.close(fd)

    def _undo(self, fd: int) -> None:
        """No half line stays behind, or else nothing is written after it."""
        try:
            os.ftruncate(fd, self._size)
        except OSError:
            self.abandon()

    def _name(self, path: Path, error: OSError) -> None:
        """Once for each file."""
        if path.name not in self._named:
            self._named.add(path.name)
            log.error("cannot use %s of the spool, the rest goes on: %s", path, error.strerror or error)

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{_SUFFIX}"))


def _lock(fd: int) -> bool:
    """Tries to lock a segment; False when another process has it, or it is no longer in the folder."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        os.close(fd)
        raise
    return os.fstat(fd).st_nlink > 0


def _write(fd: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(fd, view) :]
