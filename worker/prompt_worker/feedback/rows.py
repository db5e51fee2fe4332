"""Feedback as a row of PostgreSQL's binary COPY format, in the column order of `sql/write_feedback.sql`."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from struct import Struct

from prompt_worker.event.feedback import ReceivedFeedback
from prompt_worker.platform.postgres.binary_copy import EPOCH, MICROSECOND, label, six_places

_head = Struct(">hi16si16s").pack
_timestamp = Struct(">iq").pack


@lru_cache(maxsize=4096)
def _value(value: float) -> bytes:
    # As it was written: the shortest decimal that is this number.
    return six_places(Decimal(repr(value)))


def encode_row(event: ReceivedFeedback) -> bytes:
    """The bytes of one tuple: a column count, then length and value of each field."""
    return b"".join(
        (
            _head(6, 16, event.event_id.int.to_bytes(16), 16, event.request_id.int.to_bytes(16)),
            label(event.name),
            label(event.source),
            _value(float(event.value)),
            _timestamp(8, (event.at - EPOCH) // MICROSECOND),
        )
    )
