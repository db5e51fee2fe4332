"""Phone numbers: American (NANP), international (ITU-T E.164), and looser shapes where the text mentions a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import phonenumbers

from prompt_worker.guardrails.detectors.entities.entity import Entity, Found, context, digits
from prompt_worker.guardrails.detectors.entities.groups import is_inside_a_word
from prompt_worker.guardrails.detectors.entities.phone_words import (
    MENTIONED,
    MENTIONED_RIGHT_AFTER,
    MENTIONED_RIGHT_BEFORE,
    OTHER_NUMBER,
    WEAKLY,
    WEAKLY_RIGHT_BEFORE,
    WORD,
)

_EXTENSION = r"(?: ?(?:x|ext\.?|extension) ?\d{1,6})?"
_SIGN = r"(?:[ \t]{0,2}[.\-/·_][ \t]{0,2}|[ \t]{1,2}|\r?\n)"
_AMERICAN = re.compile(
    rf"(?<!\d)(?:\+?1{_SIGN}?|001{_SIGN}?)?"
    rf"(?:[(\[]\d{{3}}[)\]]{_SIGN}?\d{{3}}{_SIGN}?\d{{4}}|\d{{3}}(?P<by>{_SIGN})\d{{3}}(?P=by)\d{{4}})(?!\d){_EXTENSION}"
)
# As in France: a zero and five pairs.
_PAIRS = re.compile(r"(?<!\d)0[1-9](?P<sign>[ .\-·/_])\d\d(?:(?P=sign)\d\d){3}(?!\d)")
_INTERNATIONAL = re.compile(
    rf"(?:\+|(?<!\d)00(?=[1-9]\d?[ (.\-/]))[\d ().\-/·_\t\[\]]{{6,24}}(?<=\d)(?!\d){_EXTENSION}"
)
_GROUP = re.compile(r"[(\[+]{0,2}\d+[)\]]?")
_AFTER_LAST = re.compile(rf"[)\]]?{_EXTENSION}")
_NO_PHONE = re.compile(
    # Dates.
    r"\d{1,2}([/.\-])\d{1,2}\1(?:\d{4}|\d{2})|\d{4}([/.\-])\d{1,2}\2\d{1,2}|(?:1\d|20)\d{2} ?- ?(?:1\d|20)\d{2}"
    r"|\d{1,3}(?:\.\d{1,3}){3}|97[89][- ]?\d[\d -]{8,12}"  # network addresses, ISBN
    r"|\d{3}([ ./_-])\d{2}\3\d{4}"  # the shape of a social security number
)
_AMOUNT = re.compile(r"\d{1,3}(?:[ .]\d{3}){1,4}|\d+\.\d+|\d+ ?- ?\d+")
_TOUCHED_BEFORE = re.compile(r"\d[.:/+-]\Z")
_TOUCHED_AFTER = re.compile(r"[.:/-]\d|%")
# Of a number without a shape of its own, which the decimals of another one may be, too.
_DECIMAL_BEFORE, _DECIMAL_AFTER = re.compile(r"\d,\Z"), re.compile(r",\d")
_STARTS_AS_PHONES = re.compile(r"[(\[]?[+0]|[(\[]\d")
_OPENING = "+(["  # no other kind of number begins with one
_SHORTEST, _LONGEST = 6, 15  # digits
_CONTEXT = 60  # characters before a number in which a word may be about it
_CLEARLY = 8  # digits of a number that a word elsewhere in the line is about

Span = tuple[int, int]


def _check(text: str, start: int, end: int) -> Iterator[Found]:
    # Several numbers may be in one candidate: those with a shape of their own first, then those between them.
    position = start
    for first, last in _shaped(text, start, end):
        yield from _loose(text, position, first)
        before, after = context(text, first, last, before=40, after=40)
        named = bool(WORD.search(before) and MENTIONED.search(before)) or bool(
            MENTIONED_RIGHT_AFTER.match(after)
        )
        if named or text[first] in _OPENING or not OTHER_NUMBER.search(before):
            touched = _touched(text, first, last, spaced=not named and " " in text[first:last])
            yield Found(first, last, 0.95 if named else 0.85, *touched)
        position = last
    yield from _loose(text, position, end)


def _is_named(before: str, after: str) -> bool:
    if WORD.search(before) and (MENTIONED.search(before) or WEAKLY_RIGHT_BEFORE.search(before)):
        return True
    return bool(MENTIONED_RIGHT_AFTER.match(after))


def _shaped(text: str, start: int, end: int) -> Iterator[Span]:
    """American and international numbers, and those of pairs, in their order."""
    while found := _first_shape(text, start, end):
        if not is_inside_a_word(text, *found):
            yield found
        start = found[1]


def _touched(text: str, first: int, last: int, *, spaced: bool) -> tuple[bool, bool]:
    before, after = text[max(0, first - 2) : first], text[last : last + 2]
    return (
        bool(_TOUCHED_BEFORE.search(before)) or (spaced and before[:1].isdigit() and before[1:] == " "),
        bool(_TOUCHED_AFTER.match(after)) or (spaced and after[:1] == " " and after[1:].isdigit()),
    )


def _first_shape(text: str, start: int, end: int) -> Span | None:
    shapes = [shape.span() for pattern in (_AMERICAN, _PAIRS) if (shape := pattern.search(text, start, end))]
    for shape in _INTERNATIONAL.finditer(text, start, end):
        if last := _possible_end(text, *shape.span()):
            shapes.append((shape.start(), last))
            break
    return min(shapes, key=lambda span: (span[0], -span[1]), default=None)


def _possible_end(text: str, start: int, end: int) -> int | None:
    """Where the international number ends: with the group with which it is valid, else possible, the longest first."""
    ends = [group.end() for group in _GROUP.finditer(text, start, end)][::-1][:8]
    parsed = [(last, number) for last in ends if (number := _parsed(text[start:last]))]
    holders = [phonenumbers.is_valid_number]
    if text[start] == "+":
        holders.append(phonenumbers.is_possible_number)
    for holds in holders:
        for last, number in parsed:
            if holds(number):
                return last if last < ends[0] else end
    return None


def _parsed(number: str) -> phonenumbers.PhoneNumber | None:
    plain = ("+" if number.startswith(("+", "00")) else "") + digits(number.removeprefix("00"))
    try:
        return phonenumbers.parse(plain)
    except phonenumbers.NumberParseException:
        return None


def _loose(text: str, start: int, end: int) -> Iterator[Found]:
    """Numbers of any shape that a phone's word is about."""
    if end - start < _SHORTEST or not _may_be_named(text, start, end):
        return
    groups = [group.span() for group in _GROUP.finditer(text, start, end)]
    index = 0
    while index < len(groups):
        first, stop = groups[index]
        if first - start > _CONTEXT < end - stop:
            # Between groups there is no word.
            index += 1
            continue
        for last in _last_groups(text, groups, index):
            if score := _score(text, first, groups[last][1]):
                extended = _AFTER_LAST.match(text, groups[last][1])
                yield Found(first, min(extended.end() if extended else end, end), score)
                index = last
                break
        index += 1


def _may_be_named(text: str, start: int, end: int) -> bool:
    around = text[max(0, start - _CONTEXT) : start + 1] + text[end - 1 : end + 40]
    return bool(WORD.search(around) and (MENTIONED.search(around) or WEAKLY.search(around)))


def _last_groups(text: str, groups: list[Span], first: int) -> list[int]:
    """Where a number that begins with group `first` may end, by its digits and the signs in it; the longest first."""
    found: list[int] = []
    total, signs, gaps = 0, [], set[str]()
    for index in range(first, len(groups)):
        if index > first:
            sign = text[groups[index - 1][1] : groups[index][0]]
            wide = "\n" in sign or "  " in sign
            if found and ("+" in text[slice(*groups[index])] or (wide and sign not in gaps)):
                break
            gaps.add(sign)
            signs.append(sign.strip("()[] \t") or " ")
            if len(signs) > 2 and len(set(signs[1:])) > 1:
                break
        total += len(digits(text[slice(*groups[index])]))
        if total > _LONGEST:
            break
        if total >= _SHORTEST:
            found.append(index)
    return found[::-1]


def _score(text: str, first: int, last: int) -> float:
    """0 where it is no phone number."""
    if (
        is_inside_a_word(text, first, last)
        or _TOUCHED_AFTER.match(text, last)
        or _NO_PHONE.fullmatch(text, first, last)
    ):
        return 0
    before, after = context(text, first, last, before=_CONTEXT, after=40)
    if MENTIONED_RIGHT_BEFORE.search(before) or MENTIONED_RIGHT_AFTER.match(after):
        return 0.75
    starts_as_phones = bool(_STARTS_AS_PHONES.match(text, first))
    other = OTHER_NUMBER.search(before[-25:])
    if starts_as_phones and not other and WEAKLY_RIGHT_BEFORE.search(before):
        return 0.75
    near = before[-40:].rpartition("\n")[2]
    if (
        len(digits(text[first:last])) >= _CLEARLY
        and (starts_as_phones or not text[first:last].isdigit())
        and not _TOUCHED_BEFORE.search(before[-2:])
        and not _DECIMAL_BEFORE.search(before[-2:])
        and not _AMOUNT.fullmatch(text, first, last)
        and MENTIONED.search(near)
        and not other
    ):
        return 0.75
    return 0


PHONE_NUMBER = Entity(
    name="PHONE_NUMBER",
    candidate=r"[+(\[]{0,2}\d(?:(?:[ \t().\-/_·\[\]]|\r?\n){0,3}\d){5,}(?: ?(?:x|ext\.?|extension) ?\d{1,6})?",
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
