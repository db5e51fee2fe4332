"""Standard input, output and error as commands need them: any text can be printed, and a closed one is an error."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from contextlib import suppress
from typing import NoReturn

# Where a stream has no handler of its own for what its encoding lacks.
_ESCAPING = "prompt-worker-escape"
_STRICT = ("strict", "surrogateescape")


def prepare_streams() -> None:
    """Call once, before anything is printed or opened."""
    codecs.register_error(_ESCAPING, _escape)
    if not (sys.stdin and sys.stdout and sys.stderr):
        _fill_standard_descriptors()
    sys.stdin = sys.stdin or ClosedStream("standard input")
    sys.stdout = sys.stdout or ClosedStream("standard output")
    # Where nothing can be said the exit code says it.
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in _STRICT:
            stream.reconfigure(errors=_ESCAPING)


def give_up_output() -> None:
    """Call once standard output cannot be written: what is left in its buffer would fail again at the end."""
    with suppress(OSError, ValueError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)


def _fill_standard_descriptors() -> None:
    """Else the next socket would be standard output, and whatever a library prints be sent to the database."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def _escape(error: UnicodeError) -> tuple[str, int]:
    r"""Writes a character as JSON does, `\u20ac`, so that JSON stays JSON in every encoding."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2)), error.end


class ClosedStream(io.TextIOBase):
    """In place of a stream that was closed before the process began."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def buffer(self) -> ClosedStream:
        return self

    def write(self, _text: str) -> NoReturn:
        self._fail()

    def read(self, _size: int | None = -1) -> NoReturn:
        self._fail()

    def readline(self, _size: int = -1) -> NoReturn:  # type: ignore[override]
        self._fail()

    def fileno(self) -> NoReturn:
        self._fail()

    def _fail(self) -> NoReturn:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), self._name)
