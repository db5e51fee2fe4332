"""What a kind of personal data is: a cheap pattern that proposes, and a check that decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Found(NamedTuple):
    """What a check found, from `start` to `end`.

    `touched_before`, `touched_after`: a digit and a sign are beside it there, so that it counts only where these are
    of another finding and not of one longer number.
    """

    start: int
    end: int
    score: float
    touched_before: bool = False
    touched_after: bool = False


@dataclass(frozen=True)
class Entity:
    """`candidate` is a pattern in RE2's syntax; `check(text, start, end)` yields what of a candidate is the entity.

    `examples` have shapes by which an owner's own pattern for this entity is recognised: it then proposes too.
    """

    name: str
    candidate: str
    check: Callable[[str, int, int], Iterable[Found]]
    examples: tuple[str, ...]


def context(text: str, start: int, end: int, *, before: int, after: int) -> tuple[str, str]:
    """The text before and after a candidate, up to so many characters."""
    return text[max(0, start - before) : start], text[end : end + after]


def digits(text: str) -> str:
    """The digits of a text, of any script, without what is between them."""
    return "".join(filter(str.isdecimal, text))
