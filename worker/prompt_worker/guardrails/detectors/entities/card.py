"""Payment cards: a layout that cards have, an issuer's number range, the Luhn check digit (ISO/IEC 7812-1, annex B)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stdnum import luhn

from prompt_worker.guardrails.detectors.entities.entity import Entity, Found, context, digits
from prompt_worker.guardrails.detectors.entities.groups import GAP, Groups, groups_in, is_inside_a_word

# First and last prefix of a range, and the lengths of its numbers.
_SIXTEEN = frozenset({16})
_TO_NINETEEN = frozenset({16, 17, 18, 19})
_MAESTRO = frozenset(range(12, 20))
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
    (35, 35, _SIXTEEN),
    (1800, 1800, frozenset({15})),
    (2131, 2131, frozenset({15})),
    (62, 62, _TO_NINETEEN),  # UnionPay
    (2200, 2204, _TO_NINETEEN),  # Mir
    (5018, 5018, _MAESTRO),  # Maestro
    (5020, 5020, _MAESTRO),
    (5038, 5038, _MAESTRO),
    (5893, 5893, _MAESTRO),
    (6304, 6304, _MAESTRO),
    (6759, 6759, _MAESTRO),
    (6761, 6763, _MAESTRO),
)
_LENGTHS: dict[str, frozenset[int]] = {}
for _first, _last, _lengths in _RANGES:
    for _prefix in map(str, range(_first, _last + 1)):
        _LENGTHS[_prefix] = _LENGTHS.get(_prefix, frozenset()) | _lengths
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
_SHORTEST, _LONGEST = 12, 19
_FIRST_GROUPS = (4, 5, 6, 8)  # digits of a layout's first group, where it has several
# Lengths that a number without gaps may have with nothing said of a card; others are ids far more often.
_USUAL = (14, 15, 16)
_NAMED = re.compile(
    r"(?i)(?<![^\W\d_])(?:(?:credit|debit|bank|gift)? ?_?cards?|cartes?|\w*karte\w*|tarjetas?|carta|cart[aã]o|"
    r"creditcard|betaalkaart|kart[aąy]|cc|visa|master ?card|maestro|amex|american express|discover|jcb|"
    r"diners(?: club)?|union ?pay|payments?|pan)(?![^\W\d_])|карт[аы]|卡号|بطاقة"
)
_OTHER = re.compile(
    r"(?i)(?<![^\W\d_])(?:imei|ean|isbn|issn|upc|gtin|tracking|usps|ups|sendungsnummer|order|invoice|account|serial|"
    r"epoch|ts|id|blk|uuid|sku|ref(?:erence)?|numbers?)(?![^\W\d_])[^\n]{0,12}\Z"
)
# Words of long numbers in groups of four.
_GROUPED_OTHER = re.compile(r"(?i)(?<![^\W\d_])(?:tracking|usps|imei|numbers)(?![^\W\d_])[^\n]{0,24}\Z")
_DECIMAL = re.compile(r"(?<!\d)\d{1,3}[.,]\Z")
_TOUCHED_BEFORE = re.compile(r"(?:\d[.:/_+-]|[^\W\d_]-)\Z")
_TOUCHED_AFTER = re.compile(r"[.:/_-]\d")


def is_card(number: str) -> bool:
    """Whether the digits can be a card's: an issuer's range and length, and the check digit."""
    return len(set(number)) > 1 and _in_range(number) and bool(luhn.is_valid(number))


def _in_range(number: str) -> bool:
    return any(len(number) in _LENGTHS.get(number[:size], ()) for size in range(1, _LONGEST_PREFIX + 1))


def _layout(sizes: list[int]) -> bool:
    if len(sizes) == 1:
        return True
    fours = all(size == 4 for size in sizes[:-1])
    return (fours and 1 <= sizes[-1] <= 7) or sizes in ([4, 6, 5], [4, 6, 4], [6, 13], [5, 5, 5, 4], [8, 8])


def _check(text: str, start: int, end: int) -> Iterator[Found]:
    # The candidate may include numbers next to the card: the card is searched among its groups.
    groups = groups_in(text, start, end)
    cards = list(_cards(text, groups))
    if not cards:
        return
    crowded = _is_grid(groups, cards)
    for first, last in cards:
        begin, stop = groups.spans[first][0], groups.spans[last][1]
        before = text[max(0, begin - 60) : begin]
        if _NAMED.search(before):
            yield Found(begin, stop, 1.0)
        elif not crowded and (
            not _GROUPED_OTHER.search(before)
            if first < last
            else stop - begin in _USUAL and not _OTHER.search(before)
        ):
            touched = bool(_TOUCHED_BEFORE.search(before)), bool(_TOUCHED_AFTER.match(text, stop))
            yield Found(begin, stop, 1.0, *touched)


def _cards(text: str, groups: Groups) -> Iterator[tuple[int, int]]:
    """The first and the last group of each, none overlapping another one."""
    first = 0
    while first < len(groups.spans):
        for last in _possible_ends(groups, first):
            if _is_card_at(text, groups.spans[first][0], groups.spans[last][1]):
                yield first, last
                first = last
                break
        first += 1


def _is_grid(groups: Groups, cards: list[tuple[int, int]]) -> bool:
    """Whether there are as many groups of four around them as one more card has: one in ten has a right check digit."""
    inside = {index for first, last in cards for index in range(first, last + 1)}
    return sum(groups.size(index) == 4 for index in range(len(groups.spans)) if index not in inside) >= 4


def _possible_ends(groups: Groups, first: int) -> list[int]:
    # The last groups, longest card first, with which the groups from `first` on have a card's length and layout.
    size = groups.size(first)
    if size not in _FIRST_GROUPS and size < _SHORTEST:
        return []
    total, sizes, ends = 0, [], []
    for last in range(first, min(len(groups.spans), first + 5)):
        total += groups.size(last)
        sizes.append(groups.size(last))
        if total > _LONGEST or not groups.are_one(first, last):
            break
        if total >= _SHORTEST and _layout(sizes):
            ends.append(last)
    return ends[::-1]


def _is_card_at(text: str, start: int, end: int) -> bool:
    number = digits(text[start:end])
    if is_inside_a_word(text, start, end) or not is_card(number):
        return False
    if len(number) == end - start and _DECIMAL.search(text[max(0, start - 5) : start]):
        return False
    return number[:-1] not in _PUBLISHED or not _LESSON.search(
        "".join(context(text, start, end, before=120, after=120))
    )


CREDIT_CARD = Entity(
    name="CREDIT_CARD",
    candidate=rf"\d(?:{GAP}\d){{11,}}",
    check=_check,
    examples=("4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "378282246310005"),
)
