"""What a kind of personal data is: a cheap pattern that proposes, and a check that decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

Place = tuple[int, int, float]  # start, end, score


@dataclass(frozen=True)
class Entity:
    """`check(text, start, end)` looks at a candidate in its context and yields what of it is this entity.

    `examples` are shapes by which an owner's own pattern for this entity is recognised; then it proposes too.
    """

    name: str
    candidate: str
    check: Callable[[str, int, int], Iterable[Place]]
    examples: tuple[str, ...]


def context(text: str, start: int, end: int, *, before: int, after: int) -> tuple[str, str]:
    """What stands before and after a candidate, up to so many characters."""
    return text[max(0, start - before) : start], text[end : end + after]


def digits(text: str) -> str:
    return "".join(filter(str.isdecimal, text))
