"""JSON that is decoded part by part while it is walked: in Python, small objects take 15 times their size."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

# Bytes of a value that is decoded at once.
AT_ONCE = 100_000
# Bytes of memory that each takes: an object and a list once they are decoded, and a value that is not.
_OBJECT, _LIST, _UNDECODED = 200, 90, 56

_json = msgspec.json.Decoder().decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
# Numbers of any size remain text: nothing that judges texts calculates with them.
_loads = partial(json.loads, parse_int=str, parse_float=str, parse_constant=str)


def opened(value: Any, *, whole: bool = False) -> Any:
    """A value that was left undecoded, as what it is; a large one may hold undecoded ones, unless it is to be `whole`.

    What cannot be decoded is the text that it is in JSON, so that it is judged all the same.
    """
    if not isinstance(value, msgspec.Raw):
        return value
    view = memoryview(value)
    decode = _json if whole or len(view) <= AT_ONCE else _smallest(bytes(view))
    try:
        return decode(value)
    # Wrong encodings, characters that are none, integers of too many digits.
    except (ValueError, RecursionError):
        return _leniently(bytes(view).decode(errors="replace"))


def _smallest(text: bytes) -> Callable[[Any], Any]:
    """What decodes it to the least memory: as a whole, or as a list or object of undecoded values."""
    decoded = _OBJECT * text.count(b"{") + _LIST * text.count(b"[")
    if decoded <= _UNDECODED * (text.count(b",") + 1):
        return _json
    return {b"[": _list, b"{": _object}.get(text[:1], _json)


def _leniently(text: str) -> Any:
    try:
        return _loads(text)
    except (ValueError, RecursionError):
        return text
