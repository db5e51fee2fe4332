"""US social security numbers: with dashes by the rules of issue, otherwise only where the text mentions one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stdnum.us import ssn

from prompt_worker.guardrails.detectors.entities.entity import Entity, Found, context, digits
from prompt_worker.guardrails.detectors.entities.groups import GAP, is_inside_a_word, sign_of

_SHAPE = re.compile(rf"(?<!\d)\d{{3}}({GAP})\d{{2}}({GAP})\d{{4}}(?!\d)")
_NAMED = re.compile(
    r"(?i)(?<![^\W\d_])(?:ssns?(?![^\W\d_])|ss ?(?:#|no\b|num)|social[ _-]?sec|soc\.?[ _]sec|my[ _]social|"
    r"tax(?:payer)?[ _]id|sozialversicherung)"
)
_OTHER = re.compile(
    r"(?i)isbn|\bpart (?:no|num)|\bsku\b|\bserial\b|\border (?:no|num|#)|\bstudent|\bmatrikel|\bcase\b|\bphone\b"
)
_TOUCHED_BEFORE = re.compile(r"(?:\d[-./_+]|[^\W\d_][-./])\Z")
_TOUCHED_AFTER = re.compile(r"[-./_]\d")


def is_ssn(number: str) -> bool:
    """Whether the nine digits can be an issued number, by the rules of the Social Security Administration.

    Area 000, 666 and 900 to 999, group 00 and serial 0000 do not exist; a few numbers became public in advertisements.
    """
    return bool(ssn.is_valid(number))


def _check(text: str, start: int, end: int) -> Iterator[Found]:
    for shape in _SHAPE.finditer(text, start, end):
        first, last = shape.span()
        signs = {sign_of(shape[1]), sign_of(shape[2])}
        if is_inside_a_word(text, first, last) or len(signs - {"\n"}) > 1 or not is_ssn(digits(shape[0])):
            continue
        before, after = context(text, first, last, before=60, after=30)
        if _NAMED.search(before) or _NAMED.search(after):
            yield Found(first, last, 1.0)
        elif "-" in signs and not _OTHER.search(before[-30:]):
            touched = bool(_TOUCHED_BEFORE.search(before)), bool(_TOUCHED_AFTER.match(after))
            yield Found(first, last, 0.85, *touched)


US_SSN = Entity(
    name="US_SSN",
    candidate=rf"\d{{3}}{GAP}\d{{2}}{GAP}\d{{4}}(?:{GAP}\d{{3}}{GAP}\d{{2}}{GAP}\d{{4}})*",
    check=_check,
    examples=("536-90-4399", "536 90 4399", "536904399"),
)
