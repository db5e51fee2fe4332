"""The values of variables as plain JSON: no object of Python's reaches a template."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any

from prompt_worker.publishing.encoding.plain import CIRCULAR, TOO_DEEP, TOO_MANY, plain

_DEPTH = 50
_CUT = frozenset({CIRCULAR, TOO_DEEP, TOO_MANY})


class ValueProblemError(ValueError):
    """Why a value cannot be used; holds nothing of it."""


def as_json(value: Any) -> Any:
    """`value` made of dict, list, str, int, float, bool and None, as the event records it.

    Data classes, arrays, dates and the like become what the publisher makes of them. Raises `ValueProblemError` for
    what has no end or no form: iterators, functions, circles, NaN.
    """
    return _as_json(value, 0)


def _as_json(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is str and (value.isascii() or _is_unicode(value)):
        return value
    if value is None or kind is bool or kind is int:
        return value
    if kind is list or kind is tuple or kind is dict:
        if depth >= _DEPTH:
            raise ValueProblemError(f"is a circle or more than {_DEPTH} levels deep")
        if kind is not dict:
            return [_as_json(item, depth + 1) for item in value]
        if all(type(key) is str for key in value):
            return {key: _as_json(item, depth + 1) for key, item in value.items()}
        return {_key(key): _as_json(item, depth + 1) for key, item in value.items()}
    return _converted(value, depth)


def _is_unicode(text: str) -> bool:
    """Whether it can be sent: halves of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _converted(value: Any, depth: int) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueProblemError("is not a finite number")
    if isinstance(value, Iterator | AsyncIterator | Awaitable):
        raise ValueProblemError("is an iterator: pass a list of what it gives")
    if callable(value):
        raise ValueProblemError("is a function or a class, and no value")
    made = plain(value, _DEPTH - depth)
    if isinstance(made, str) and made in _CUT and not isinstance(value, str):
        raise ValueProblemError(f"is a circle or more than {_DEPTH} levels deep")
    return made


def _key(key: Any) -> str:
    (name,) = plain({key: None}, 1)
    return str(name)
