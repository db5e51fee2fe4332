"""Payment cards: a layout that cards have, an issuer's number range, the Luhn check digit (ISO/IEC 7812-1, annex B)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from stdnum import luhn

from prompt_worker.guardrails.detectors.entities.entity import Entity, Found, context, digits

# First and last prefix of a range, and the lengths of its numbers.
_SIXTEEN = frozenset({16})
_TO_NINETEEN = frozenset({16, 17, 18, 19})
_RANGES: tuple[tuple[int, int, frozenset[int]], ...] = (
    (4, 4, frozenset({13, 16, 19})),  # Visa
    (51, 55, _SIXTEEN),  # Mastercard
    (2221, 2720, _SIXTEEN),
    (34, 34, frozenset({15})),  # American Express
    (37, 37, frozenset({15})),
    (6011, 6011, _TO_NINETEEN),  # Discover
    (644, 659, _TO_NINETEEN),
    (300, 305, frozenset({14})),  # Diners Club
    (3095, 3095, frozenset({14})),
    (36, 36, frozenset({14})),
    (38, 39, frozenset({14})),
    (3528, 3589, _TO_NINETEEN),  # JCB
    (62, 62, _TO_NINETEEN),  # UnionPay
    (2200, 2204, _TO_NINETEEN),  # Mir
    (5018, 5018, frozenset(range(13, 20))),  # Maestro
    (5020, 5020, frozenset(range(13, 20))),
    (5038, 5038, frozenset(range(13, 20))),
    (5893, 5893, frozenset(range(13, 20))),
    (6304, 6304, frozenset(range(13, 20))),
    (6759, 6759, frozenset(range(13, 20))),
    (6761, 6763, frozenset(range(13, 20))),
)
_LENGTHS = {str(prefix): lengths for first, last, lengths in _RANGES for prefix in range(first, last + 1)}
_LONGEST_PREFIX = max(map(len, _LENGTHS))
# Numbers that issuers and payment services publish for tests, without their check digit.
_PUBLISHED = frozenset(
    [
        "411111111111111",
        "424242424242424",
        "401288888888188",
        "400000000000000",
        "555555555555444",
        "510510510510510",
        "222300310000843",
        "520082828282821",
        "37828224631000",
        "37144963539843",
        "601111111111111",
        "601100099013942",
        "353011133330000",
        "3056930902590",
        "356600202036050",
        "3852000002323",
        "3622720627166",
        "453914880343646",
        "499273987167",
    ]
)
_LESSON = re.compile(
    r"(?i)\bluhn\b|check(?:sum| ?digit)|mod(?:ulo|ulus)? ?10\b|\btest (?:card|number)|textbook|algorithm"
)
Span = tuple[int, int]

_GROUP = re.compile(r"\d+")
_FIRST_GROUPS = (4, 5, 6)  # digits of a layout's first group, where it has several
_EDGE_BEFORE = re.compile(r"(?:[^\W_]|\d[.,:/_+-]|[^\W\d_]-)\Z")
_EDGE_AFTER = re.compile(r"[^\W_]|[.,:/_-]\d")


def is_card(number: str) -> bool:
    """Whether the digits can be a card's: an issuer's range and length, and the check digit."""
    return len(set(number)) > 1 and _in_range(number) and bool(luhn.is_valid(number))


def _in_range(number: str) -> bool:
    return any(len(number) in _LENGTHS.get(number[:size], ()) for size in range(1, _LONGEST_PREFIX + 1))


def _layout(sizes: list[int]) -> bool:
    if len(sizes) == 1:
        return True
    fours = all(size == 4 for size in sizes[:-1])
    return (fours and 1 <= sizes[-1] <= 7) or sizes in ([4, 6, 5], [4, 6, 4], [6, 13], [5, 5, 5, 4])


def _check(text: str, start: int, end: int) -> Iterator[Found]:
    # The candidate may include numbers next to the card: the card is searched among its groups.
    groups = [group.span() for group in _GROUP.finditer(text, start, end)]
    first = 0
    while first < len(groups):
        for last in _possible_ends(groups, first):
            if _is_card_at(text, groups[first][0], groups[last][1]):
                yield groups[first][0], groups[last][1], 1.0
                first = last
                break
        first += 1


def _possible_ends(groups: Sequence[Span], first: int) -> list[int]:
    # The last groups, longest card first, with which the groups from `first` on have a card's length and layout.
    size = groups[first][1] - groups[first][0]
    if size not in _FIRST_GROUPS and size < 13:
        return []
    total, sizes, ends = 0, [], []
    for last in range(first, min(len(groups), first + 5)):
        size = groups[last][1] - groups[last][0]
        total += size
        sizes.append(size)
        if total > 19:
            break
        if total >= 13 and _layout(sizes):
            ends.append(last)
    return ends[::-1]


def _is_card_at(text: str, start: int, end: int) -> bool:
    number = digits(text[start:end])
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if _EDGE_BEFORE.search(before) or _EDGE_AFTER.match(after) or not is_card(number):
        return False
    return number[:-1] not in _PUBLISHED or not _LESSON.search(
        "".join(context(text, start, end, before=120, after=120))
    )


CREDIT_CARD = Entity(
    name="CREDIT_CARD",
    candidate=r"\d(?:[ .\-]{0,2}\d){12,}",
    check=_check,
    examples=("4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "378282246310005"),
)
