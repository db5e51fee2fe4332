"""The body of a COPY in pieces is the same as in one."""

from __future__ import annotations

import pytest

from prompt_worker.platform.postgres.binary_copy import HEADER, TRAILER
from prompt_worker.platform.postgres.copy_body import PIECE, CopyBody

KB = 1_000


def read(rows: list[bytes]) -> list[bytes]:
    body = CopyBody(rows)
    return list(iter(lambda: body.read(8192), b""))


@pytest.mark.parametrize(
    "sizes",
    [
        [],
        [KB] * 500,
        [KB] * 5_000,
        [10_000 * KB],
        [10_000 * KB, 10_000 * KB],
        [PIECE, PIECE + 1, PIECE - 1, 1],
        [KB, 10_000 * KB, KB, KB, 3_000 * KB],
        [KB] * 2_000 + [PIECE] * 2 + [KB],
    ],
)
def test_pieces_are_the_whole_and_never_empty(sizes: list[int]) -> None:
    rows = [bytes([number % 251]) * size for number, size in enumerate(sizes)]
    pieces = read(rows)
    assert b"".join(pieces) == b"".join([HEADER, *rows, TRAILER])
    assert all(0 < len(piece) <= PIECE for piece in pieces)


def test_usual_batch_is_one_piece() -> None:
    assert len(read([b"r" * 1_300] * 500)) == 1


def test_small_rows_share_pieces() -> None:
    assert len(read([b"r" * KB] * 10_000)) < 12
