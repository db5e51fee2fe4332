"""Whole numbers that are written as floats: 412.0 is 412, as it is to JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

import msgspec

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
# Longer than any number that a column holds: an integer of a million digits is not made from 1e1000000.
_LONGEST = Decimal(10) ** 20


def with_whole_numbers(body: bytes, names: Iterable[str]) -> bytes | None:
    """The event in `body` with integers for whole floats in these fields; None where there are none.

    Every other value stays byte for byte. Raises `msgspec.DecodeError` where it is not a JSON object.
    """
    return _with_integers(body, names, lambda number: number == number.to_integral_value())


def with_rounded_numbers(body: bytes, names: Iterable[str]) -> bytes | None:
    """The same for any float, rounded."""
    return _with_integers(body, names, lambda _: True)


def _with_integers(body: bytes, names: Iterable[str], accepts: Callable[[Decimal], bool]) -> bytes | None:
    fields = _fields(body)
    changed = False
    for name in names:
        number = _float(fields.get(name))
        if number is not None and accepts(number):
            integer = int(number.to_integral_value(ROUND_HALF_EVEN))
            fields[name] = msgspec.Raw(str(integer).encode())
            changed = True
    return msgspec.json.encode(fields) if changed else None


def _float(value: msgspec.Raw | None) -> Decimal | None:
    """The number, if it is one and not written as an integer."""
    text = bytes(value).strip() if value is not None else b""
    if text[:1] not in b"-0123456789" or not text or text.lstrip(b"-").isdigit():
        return None
    try:
        number = Decimal(text.decode())
    except (InvalidOperation, UnicodeDecodeError):
        return None
    return number if number.is_finite() and abs(number) < _LONGEST else None
