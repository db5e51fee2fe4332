"""International bank account numbers (ISO 13616): a country's length, and check digits modulo 97 (ISO 7064)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stdnum import iban

from prompt_worker.guardrails.detectors.entities.entity import Entity, Found
from prompt_worker.guardrails.detectors.entities.groups import GAP

_GROUP = re.compile(r"[A-Za-z0-9]+")
_FIRST = re.compile(rf"(?i)(?<![a-z0-9])[a-z]{{2}}{GAP}\d{{2}}")
_SHORTEST, _LONGEST = 15, 34  # characters: Norway's, and what the standard allows


def is_iban(candidate: str) -> bool:
    """Whether the country, the length and the check digits are those of an IBAN."""
    # A country's own check digits inside the account number are not required: numbers in use break them.
    return bool(iban.is_valid(candidate, check_country=False))


def _check(text: str, start: int, end: int) -> Iterator[Found]:
    # The candidate may begin with other words and extend into those that follow.
    for first in _FIRST.finditer(text, start, end):
        if first.start() >= start:
            for stop in _ends(text, first.start(), end):
                if is_iban(_letters(text[first.start() : stop])):
                    yield Found(first.start(), stop, 1.0)
                    start = stop
                    break


def _ends(text: str, start: int, end: int) -> list[int]:
    """Where groups end with which it has an IBAN's length, the longest first."""
    ends, length = [], 0
    for group in _GROUP.finditer(text, start, end):
        length += len(group[0])
        if length > _LONGEST:
            break
        if length >= _SHORTEST:
            ends.append(group.end())
    return ends[::-1]


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))


IBAN_CODE = Entity(
    name="IBAN_CODE",
    # The first eight after the check digits are together or in fours, which no words after "at 10" are.
    candidate=rf"[A-Z]{{2}}{GAP}\d{{2}}(?:{GAP}[A-Z0-9]{{4}}){{2}}(?:{GAP}[A-Z0-9]){{3,}}",
    check=_check,
    examples=("GB82WEST12345698765432", "GB82 WEST 1234 5698 7654 32", "DE89370400440532013000"),
)
