"""JSON that is decoded part by part while it is walked: in Python, small objects take 15 times their size."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import msgspec

# Bytes of a value that is decoded at once.
AT_ONCE = 100_000

_json = msgspec.json.Decoder().decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
# Numbers of any size remain text: nothing that judges texts calculates with them.
_loads = partial(json.loads, parse_int=str, parse_float=str, parse_constant=str)


def opened(value: Any) -> Any:
    """A value that was left undecoded, as what it is; a large object or list holds undecoded ones.

    What cannot be decoded is the text that it is in JSON, so that it is judged all the same.
    """
    if not isinstance(value, msgspec.Raw):
        return value
    view = memoryview(value)
    decode = _json if len(view) <= AT_ONCE else {ord("["): _list, ord("{"): _object}.get(view[0], _json)
    try:
        return decode(value)
    # Wrong encodings, characters that are none, integers of too many digits.
    except (ValueError, RecursionError):
        return _leniently(bytes(view).decode(errors="replace"))


def _leniently(text: str) -> Any:
    try:
        return _loads(text)
    except (ValueError, RecursionError):
        return text
