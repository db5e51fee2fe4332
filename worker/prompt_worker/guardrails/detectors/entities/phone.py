"""Phone numbers: American (NANP) and international (ITU-T E.164) ones, looser shapes where the text mentions a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import phonenumbers

from prompt_worker.guardrails.detectors.entities.entity import Entity, Found, context, digits

_EXTENSION = r"(?: ?(?:x|ext\.?|extension) ?\d{1,6})?"
_AMERICAN = re.compile(
    rf"(?:\+?1[ .-]?|001[ .-])?(?:\(\d{{3}}\) ?|\d{{3}}(?P<by>[.-]))\d{{3}}(?(by)(?P=by)|[ .-]?)\d{{4}}{_EXTENSION}"
)
_INTERNATIONAL = re.compile(rf"(?:\+|00)\d{{1,3}}[\d ().\-/]{{5,18}}\d{_EXTENSION}")
_NAMES = (
    r"\b(?:tele)?phones?\b|\btel\b|\bcall(?:ing|ed)?\b|\bmobile\b|\bcell(?:phone)?\b|\bfax\b|whatsapp|\btext(?:ing)? "
    r"(?:me|him|her|us|them)|\bdial|\breach|\bcontact|\bring me|\banswering\b|\bhotline\b|\bsms\b|"
    r"\b(?:my|his|her|their|your|our) (?:new )?number\b|\btelefon|\bhandynummer|t[ée]l[ée]fono"
)
_WORD = re.compile(r"[^\W\d_]{3}")  # each of the names has as many letters in a row
_NAMED_BEFORE = re.compile(rf"(?i){_NAMES}")
_BETWEEN = r"(?:[ :#=,-]|\b(?:me|us|him|her|them|back|number|numbers|no|is|at|on|you|can|the|to|are|was|now)\b|\.){0,12}\Z"
_NAMED_RIGHT_BEFORE = re.compile(rf"(?i)(?:{_NAMES}){_BETWEEN}")
_NAMED_RIGHT_AFTER = re.compile(r"(?i)[ \-,(]{0,3}(?:office|fax|mobile|cell|home|work|phone)\b")
_NO_PHONE = re.compile(
    r"\d{1,2}([/.\-])\d{1,2}\1(?:\d{4}|\d{2})|\d{4}([/.\-])\d{1,2}\2\d{1,2}|(?:1\d|20)\d{2} ?- ?(?:1\d|20)\d{2}"  # dates
    r"|\d{1,3}(?:\.\d{1,3}){3}|97[89][- ]?\d[\d -]{8,12}"  # network addresses, ISBN
)
_AMOUNT = re.compile(r"\d{1,3}(?:[ .]\d{3}){1,4}|\d+\.\d+|\d+ ?- ?\d+")
_OTHER = re.compile(
    r"(?i)\bisbn|\bissn|\bdoi\b|\bversion\b|\bpages?\b|\bpp?\.|\bcard\b|\bcc\b|\biban\b|\bssn\b|social sec|=|\$|€|£"
)
_EDGE_BEFORE = re.compile(r"(?:[^\W_]|\d[ .,:/+-])\Z")
_EDGE_AFTER = re.compile(r"[^\W_]|[.,:/-]\d|%")


def _check(text: str, start: int, end: int) -> Iterator[Found]:
    if _EDGE_BEFORE.search(text[max(0, start - 2) : start]) or _EDGE_AFTER.match(text[end : end + 2]):
        return
    start += text[start:end].count("(") > text[start:end].count(")")
    number = text[start:end]
    before, after = context(text, start, end, before=40, after=12)
    named_before = bool(_WORD.search(before) and _NAMED_BEFORE.search(before))
    adjacent = bool((named_before and _NAMED_RIGHT_BEFORE.search(before)) or _NAMED_RIGHT_AFTER.match(after))
    named = adjacent or named_before
    if _AMERICAN.fullmatch(number) or (_INTERNATIONAL.fullmatch(number) and _is_possible(number)):
        if named or not _OTHER.search(before):
            yield start, end, 0.95 if named else 0.85
    elif named and not _NO_PHONE.fullmatch(number) and not _OTHER.search(before[-12:]):
        least = 6 if adjacent else 8
        if least <= len(digits(number)) <= 15 and (adjacent or not _AMOUNT.fullmatch(number)):
            yield start, end, 0.75


def _is_possible(number: str) -> bool:
    plus = "+" + number[2:] if number.startswith("00") else number
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(plus))
    except phonenumbers.NumberParseException:
        return False


PHONE_NUMBER = Entity(
    name="PHONE_NUMBER",
    candidate=r"[+(]{0,2}\d(?:[ ().\-/]{0,2}\d){5,16}(?: ?(?:x|ext\.?|extension) ?\d{1,6})?",
    check=_check,
    examples=(
        "212-555-0123",
        "(212) 555-0123",
        "+1 212 555 0123",
        "2125550123",
        "212.555.0123",
        "212 555 0123",
    ),
)
