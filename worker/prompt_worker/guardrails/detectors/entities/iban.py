"""International bank account numbers (ISO 13616): a country's length, and check digits modulo 97 (ISO 7064)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stdnum import iban

from prompt_worker.guardrails.detectors.entities.entity import Entity, Found

_GROUP = re.compile(r"[A-Za-z0-9]+")
_SHORTEST = 15  # characters, Norway's


def is_iban(candidate: str) -> bool:
    """Whether the country, the length and the check digits are those of an IBAN."""
    # A country's own check digits inside the account number are not required: numbers in use break them.
    return bool(iban.is_valid(candidate, check_country=False))


def _check(text: str, start: int, end: int) -> Iterator[Found]:
    if start and (text[start - 1].isalnum() or text[start - 1] == "_"):
        return
    # The candidate may extend into the words that follow: the longest valid one that ends with a group counts.
    for group in reversed(list(_GROUP.finditer(text, start, end))):
        stop = group.end()
        if stop - start < _SHORTEST:
            return
        if (stop == len(text) or not text[stop].isalnum()) and is_iban(text[start:stop]):
            yield start, stop, 1.0
            return


IBAN_CODE = Entity(
    name="IBAN_CODE",
    candidate=r"[A-Z]{2}\d{2}(?:[ \-]?[A-Z0-9]){11,34}",
    check=_check,
    examples=("GB82WEST12345698765432", "GB82 WEST 1234 5698 7654 32", "DE89370400440532013000"),
)
