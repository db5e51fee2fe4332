"""What one rendering may cost: work and output, counted while it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from jinja2.runtime import Context

# Characters of a rendered prompt; also of every text made on the way to it.
OUTPUT_LIMIT = 4_000_000
# Units of work: one is a character that is made or read, `NODE` a step of the template or an item of a list.
WORK_LIMIT = 20_000_000
NODE = 20
# Integers beyond it take ever more time.
INTEGER_LIMIT = 10**18


class LimitError(Exception):
    """A rendering that costs too much; its message names the limit."""


class Budget:
    """Of one rendering. Raises `LimitError` when it is used up."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = WORK_LIMIT

    def spend(self, work: int) -> None:
        self.left -= work
        if self.left < 0:
            raise LimitError(f"it takes more than {WORK_LIMIT:,} units of work")

    def weigh(self, value: Any) -> Any:
        """`value`, after its size was spent: with every item, as often as it is reached."""
        if type(value) is str:
            self.spend(len(value))
            return value
        # Without recursion, so that it is fast where a list holds itself many times over.
        left, waiting = self.left, [value]
        while waiting and left >= 0:
            item = waiting.pop()
            kind = type(item)
            if kind is str:
                left -= len(item) + NODE
            elif kind is list or kind is tuple:
                left -= NODE * len(item) + NODE
                waiting += item
            elif kind is dict:
                left -= NODE * len(item) + NODE
                waiting += item
                waiting += item.values()
            else:
                left -= NODE
        self.left = left
        self.spend(0)
        return value


class BoundedContext(Context):
    """The context of one rendering, with its budget."""

    budget: Budget


def checked_text(text: str, budget: Budget) -> str:
    """`text`, of which somebody has just made a new one."""
    if len(text) > OUTPUT_LIMIT:
        raise LimitError(f"it makes a text of more than {OUTPUT_LIMIT:,} characters")
    budget.spend(len(text))
    return text


def within_limit(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces of one text, up to `OUTPUT_LIMIT`. Raises `LimitError`."""
    left = OUTPUT_LIMIT
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise LimitError(f"it makes a text of more than {OUTPUT_LIMIT:,} characters")
        yield piece
