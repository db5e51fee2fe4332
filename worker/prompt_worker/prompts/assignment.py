"""Which arm of an experiment a unit is in: the same in every service, every language, and in the database.

SHA-256 over `seed:unit` in UTF-8, of it the first 13 hex digits, modulo 10,000: a bucket. 52 bits are never negative in
PostgreSQL and exact as a number of JavaScript; `schema/prompt_schema/events/assignment.json` has vectors. With a seed
of its own each experiment divides the units in its own way; without one the same users were together in all of them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import msgspec

from prompt_worker.event.unit import recorded_unit

BUCKETS = 10_000
_HEX_DIGITS = 13


class Range(msgspec.Struct, frozen=True, array_like=True):
    """The buckets from `start` to below `beyond` are the arm's."""

    start: int
    beyond: int
    arm: str


def bucket_of(seed: str, unit: str) -> int:
    """From 0 to below 10,000, for a unit as it is recorded."""
    try:
        text = f"{seed}:{unit}".encode()
    except UnicodeEncodeError:
        # As it is stored.
        stored = unit.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        text = f"{seed}:{stored}".encode()
    if b"\0" in text:
        text = text.replace(b"\0", b"\xef\xbf\xbd")
    return int(sha256(text).hexdigest()[:_HEX_DIGITS], 16) % BUCKETS


class Assignment:
    """The ranges of one phase, ready to be asked many times."""

    __slots__ = ("_arms", "_places", "_seed")

    def __init__(self, seed: str, ranges: list[Range]) -> None:
        self._seed = seed
        # Of each bucket the place of its arm: two bytes for each instead of a reference.
        self._arms: list[str | None] = [None, *dict.fromkeys(each.arm for each in ranges)]
        self._places = array("H", bytes(2 * BUCKETS))
        for each in ranges:
            place = self._arms.index(each.arm)
            self._places[each.start : each.beyond] = array("H", [place]) * (each.beyond - each.start)

    def arm_of(self, unit: str) -> tuple[str, str | None]:
        """The unit as it is recorded, and its arm: None where it is outside of the experiment."""
        recorded = recorded_unit(unit)
        return recorded, self._arms[self._places[bucket_of(self._seed, recorded)]]


def read_ranges(ranges: Any) -> list[Range]:
    """As they are stored: `[[from, to, arm], …]`. Raises `msgspec.ValidationError`, also for ones that overlap."""
    read = msgspec.convert(ranges, list[Range])
    try:
        check_ranges(read)
    except ValueError as error:
        raise msgspec.ValidationError(str(error)) from None
    return read


def check_ranges(ranges: Iterable[Range]) -> None:
    """Raises `ValueError` for ones that overlap, are empty or are not within the buckets."""
    end = 0
    for each in sorted(ranges, key=lambda each: each.start):
        if not end <= each.start < each.beyond <= BUCKETS:
            raise ValueError(f"{each.start} to {each.beyond} is no range of its own within {BUCKETS}")
        end = each.beyond
