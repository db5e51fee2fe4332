"""The body of a binary COPY, as a file: rows are sent as they are, and never joined into a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prompt_worker.platform.postgres.binary_copy import HEADER, TRAILER

# Bytes that are sent at a time; libpq keeps a buffer of this size for each connection.
PIECE = 1 << 20


class CopyBody:
    """What psycopg2 reads a COPY from: pieces of at most `PIECE` bytes. Small rows share one, large rows are cut."""

    def __init__(self, rows: Sequence[bytes]) -> None:
        self._pieces = _pieces([HEADER, *rows, TRAILER])

    def read(self, _size: int = -1, /) -> bytes:
        """The next piece; nothing at the end."""
        return next(self._pieces, b"")

    # psycopg2 wants a file to have it, and does not call it.
    readline = read


def _pieces(parts: Sequence[bytes]) -> Iterator[bytes]:
    # The usual batch is one piece.
    if sum(map(len, parts)) <= PIECE:
        yield b"".join(parts)
        return
    piece: list[bytes] = []
    size = 0
    for part in parts:
        if piece and size + len(part) > PIECE:
            yield b"".join(piece)
            piece, size = [], 0
        if len(part) > PIECE:
            yield from (part[start : start + PIECE] for start in range(0, len(part), PIECE))
        else:
            piece.append(part)
            size += len(part)
    yield b"".join(piece)
