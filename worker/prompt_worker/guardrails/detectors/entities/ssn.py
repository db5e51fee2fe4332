"""US social security numbers: with dashes by the rules of issue, otherwise only where the text mentions one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stdnum.us import ssn

from prompt_worker.guardrails.detectors.entities.entity import Entity, Found, context, digits

_SHAPE = re.compile(r"\d{3}([- .]?)\d{2}\1\d{4}")
_NAMED = re.compile(
    r"(?i)\bssns?\b|\bss ?(?:#|no\b|num)|social[ -]?sec|soc\.? sec|tax(?:payer)? id|\bsozialversicherung"
)
_OTHER = re.compile(r"(?i)isbn|\bpart (?:no|num)|\bsku\b|\bserial\b|\border (?:no|num|#)")
_EDGE_BEFORE = re.compile(r"(?:[^\W_]|[^\W_][-./])\Z")
_EDGE_AFTER = re.compile(r"[^\W_]|[-./]\d")


def is_ssn(number: str) -> bool:
    """Whether the nine digits can be an issued number, by the rules of the Social Security Administration.

    Area 000, 666 and 900 to 999, group 00 and serial 0000 do not exist; a few numbers became public in advertisements.
    """
    return bool(ssn.is_valid(number))


def _check(text: str, start: int, end: int) -> Iterator[Found]:
    shape = _SHAPE.fullmatch(text, start, end)
    if not shape:
        return
    if _EDGE_BEFORE.search(text[max(0, start - 2) : start]) or _EDGE_AFTER.match(text[end : end + 2]):
        return
    before, after = context(text, start, end, before=60, after=30)
    named = bool(_NAMED.search(before) or _NAMED.search(after))
    dashed = shape[1] == "-"
    if (named or (dashed and not _OTHER.search(before))) and is_ssn(digits(shape[0])):
        yield start, end, 1.0 if named else 0.85


US_SSN = Entity(
    name="US_SSN",
    candidate=r"\b\d{3}[ .\-]?\d{2}[ .\-]?\d{4}\b",
    check=_check,
    examples=("536-90-4399", "536 90 4399", "536904399"),
)
