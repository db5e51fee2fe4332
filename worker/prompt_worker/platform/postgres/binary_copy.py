"""PostgreSQL's binary COPY format: the bytes around the rows, and the fields that rows are made of.

Binary, since the server then parses no line, no escape, no date and no number:
https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from struct import Struct

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NULL = Struct(">i").pack(-1)

# A timestamptz is the number of microseconds since then.
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_MILLIONTH = Decimal("0.000001")
_MILLION = Decimal(1_000_000)
_NEGATIVE = 0x4000

length = Struct(">i").pack
_numeric = Struct(">ihhhhhhh").pack


def text(value: str | None) -> bytes:
    if value is None:
        return NULL
    encoded = value.encode()
    return length(len(encoded)) + encoded


# Of a column with few values and many rows.
label = lru_cache(maxsize=4096)(text)


def six_places(value: Decimal) -> bytes:
    """A numeric of an absolute value below 10,000, half a millionth rounded away from 0."""
    # Three digits of base 10,000: four decimal digits before the point, eight after it, of which six are kept.
    # Quantized first: a product would be rounded to the context's 28 digits, and then once more.
    millionths = int(value.quantize(_MILLIONTH, ROUND_HALF_UP) * _MILLION)
    whole, fraction = divmod(abs(millionths), 1_000_000)
    return _numeric(14, 3, 0, _NEGATIVE if millionths < 0 else 0, 6, whole, *divmod(fraction * 100, 10_000))
