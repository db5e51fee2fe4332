"""What is leased from a subscription: since when, and how many bytes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple


class Lease(NamedTuple):
    """Since when, on the monotonic clock, and the bytes of the message."""

    since: float
    size: int


_NONE = Lease(0.0, 0)


class Leases:
    """By ack id. Safe to use from several threads: each step is one operation of a dictionary."""

    def __init__(self) -> None:
        self._held: dict[str, Lease] = {}

    def begin(self, ids: Iterable[str], size: int) -> None:
        """Messages were received, of `size` bytes each."""
        self._held.update(dict.fromkeys(ids, Lease(time.monotonic(), size)))

    def end(self, ids: Iterable[str]) -> int:
        """Messages were settled; the bytes of those that were leased until now."""
        end = self._held.pop
        # By index, which costs half of what the name does.
        return sum([end(ack_id, _NONE)[1] for ack_id in ids])

    def all(self) -> list[str]:
        return list(self._held)

    def older_than(self, seconds: float) -> list[str]:
        now = time.monotonic()
        return [ack_id for ack_id, lease in list(self._held.items()) if now - lease.since > seconds]
