"""Numbers as people write them: groups of characters, and what may be between two of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

# Of all entities: spaces, at most one sign, at most one end of a line. The same in RE2's syntax and in Python's.
GAP = r"(?:[ \t]{0,2}[\-./_·]?[ \t]{0,2}(?:\r?\n[ \t]{0,2})?)"
_LINE_END = "\n"


@dataclass(frozen=True, slots=True)
class Groups:
    """`spans` of the groups, `gaps[i]` is the sign between group i and the next: "" for nothing, " " for spaces."""

    spans: Sequence[tuple[int, int]]
    gaps: Sequence[str]

    def size(self, index: int) -> int:
        start, end = self.spans[index]
        return end - start

    def are_one(self, first: int, last: int) -> bool:
        """Whether one number may be written so: with the same sign between all groups, or an end of a line for it."""
        return len({gap for gap in self.gaps[first:last] if gap != _LINE_END}) <= 1


def groups_in(text: str, start: int, end: int, group: re.Pattern[str] = re.compile(r"\d+")) -> Groups:
    spans = [found.span() for found in group.finditer(text, start, end)]
    gaps = [sign_of(text[before[1] : after[0]]) for before, after in pairwise(spans)]
    return Groups(spans, gaps)


def sign_of(gap: str) -> str:
    """What is between two groups, in one character: a sign, else an end of a line, else a space; "" for nothing."""
    return gap.strip() or ("\n" if "\n" in gap else gap[:1].replace("\t", " "))


def is_inside_a_word(text: str, start: int, end: int) -> bool:
    """Whether a letter or a digit is right before or right after."""
    return (start > 0 and text[start - 1].isalnum()) or (end < len(text) and text[end].isalnum())
