"""Any Python value as JSON can hold it: numbers as numbers, the whole of it, and a marker for what cannot be shown."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections import deque
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
    Set,
    ValuesView,
)
from datetime import date, timedelta
from enum import Enum
from typing import Any

from msgspec import Raw, to_builtins

from prompt_worker.publishing.encoding.keys import unique

CIRCULAR = "<circular reference>"
TOO_DEEP = "<nested too deeply>"
TOO_MANY = "<too many values>"
# More do not fit into a message, at two bytes for each.
_VALUES = 5_000_000
# Of arrays, data frames and models: what makes lists, dicts and numbers of them.
_CONVERTERS = ("tolist", "model_dump", "to_dict")
_SURROGATE = re.compile("[\ud800-\udfff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_SMALL = 2**63
_LOG10_OF_2 = math.log10(2)


def plain(value: Any, depth: int) -> Any:
    """`value` made of dict, list, str, int, float, bool and None, at most `depth` containers deep; raises nothing.

    Lone surrogates become U+FFFD, NaN and infinities null. Iterators are named and not read. Keys become text, each
    its own: the second that reads "1" is "1 (2)".
    """
    return _Walk(depth).made(value)


class _Walk:
    """Depth first and without recursion, so that no value is too deep for the caller's stack."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._values = 0
        # The containers around the one that is being filled: circles end there.
        self._around: list[int] = []
        self._alive: list[Any] = []

    def made(self, value: Any) -> Any:
        top: list[Any] = [None]
        # Each with its depth, so that what is around it is known.
        todo: list[tuple[Any, Any, Any, int]] = [(top, 0, value, 0)]
        while todo:
            container, key, item, depth = todo.pop()
            del self._around[depth:], self._alive[depth:]
            made, inner = self._one(item, depth)
            container[key] = made
            todo += [(made, at, each, depth + 1) for at, each in reversed(inner)]
        return top[0]

    def _one(self, value: Any, depth: int) -> tuple[Any, Sequence[tuple[Any, Any]]]:
        """What `value` becomes, and what is to be put into it: positions, each with its item."""
        try:
            simple = _simple(value)
        # A caller's own class may raise anything: the value gets a marker, and the event arrives.
        except Exception:
            simple = _unshown(value)
        if isinstance(simple, dict | list):
            simple = self._limit(value, len(simple), depth) or simple
        if not isinstance(simple, dict | list):
            return simple, ()
        self._values += len(simple)
        self._around.append(id(value))
        # An object that was made for this must not leave its id to another.
        self._alive.append(value)
        if isinstance(simple, list):
            return simple, [(at, each) for at, each in enumerate(simple) if not _is_plain(each)]
        named = dict(zip(unique([_key(key) for key in simple]), simple.values(), strict=True))
        return named, [(name, each) for name, each in named.items() if not _is_plain(each)]

    def _limit(self, value: Any, size: int, depth: int) -> str | None:
        """Why a container is not filled."""
        if id(value) in self._around:
            return CIRCULAR
        if depth >= self._depth:
            return TOO_DEEP
        return TOO_MANY if self._values + size > _VALUES else None


def _is_plain(value: Any) -> bool:
    """Whether JSON holds it as it is: most are, and need no more."""
    kind = type(value)
    if kind is str:
        plain_already: bool = value.isascii()
    elif kind is float:
        plain_already = math.isfinite(value)
    elif kind is int:
        plain_already = -_SMALL < value < _SMALL
    else:
        plain_already = value is None or kind is bool
    return plain_already


def _simple(value: Any) -> Any:
    """`value` as a scalar of JSON, or as a new dict or list of items that are anything."""
    made: Any
    # Most containers are of these types; asking for each kind below takes longer than a copy.
    if type(value) in (dict, list):
        return value.copy()
    match value:
        case None | bool():
            made = value
        case Enum():
            made = _simple(value.value)
        case str():
            made = _text(value)
        case int():
            made = _integer(int.__int__(value))
        case float():
            made = _number(float.__float__(value))
        case Raw():
            # msgspec would round integers beyond 64 bits.
            made = json.loads(bytes(value))
        case Iterator() | AsyncIterator() | Awaitable():
            made = f"<{type(value).__name__}, not read>"
        case Mapping():
            made = dict(value)
        case list() | tuple() | Set() | ValuesView() | deque():
            made = [*value]
        case _:
            made = _object(value)
    return made


def _object(value: Any) -> Any:
    for make in (to_builtins, _attributes, _converted):
        try:
            made = make(value)
        # One odd item is enough for `to_builtins`, and methods of others raise what they like.
        except Exception:  # noqa: S112
            continue
        return _simple(made)
    return _text(str(value))


def _attributes(value: Any) -> dict[str, Any]:
    """Those of a data class, also of attrs and msgspec."""
    kind = type(value)
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
    elif hasattr(kind, "__attrs_attrs__"):
        names = [field.name for field in kind.__attrs_attrs__]
    else:
        names = kind.__struct_fields__
    return {name: getattr(value, name) for name in names}


def _converted(value: Any) -> Any:
    """What a list, a dict or a number is made of by the value itself. Raises TypeError for any other."""
    if isinstance(value, Sequence) and not isinstance(value, range):
        return list(value)
    for name in _CONVERTERS:
        convert: Callable[[], Any] | None = getattr(value, name, None)
        if callable(convert) and not isinstance(value, type):
            made = convert()
            # A number that is wider than Python's converts to itself.
            made = float(made) if type(made) is type(value) else made
            if isinstance(made, dict | list | str | int | float | date | timedelta):
                return made
    raise TypeError


def _key(key: Any) -> str:
    try:
        return _text(key if isinstance(key, str) and not isinstance(key, Enum) else str(_key_value(key)))
    # As for a value.
    except Exception:
        return _unshown(key)


def _key_value(key: Any) -> Any:
    value = key.value if isinstance(key, Enum) else key
    return _integer(int.__int__(value)) if isinstance(value, int) and not isinstance(value, bool) else value


def _text(value: str) -> str:
    # Of a subclass, the text itself.
    text = str.__str__(value)
    return text if text.isascii() else _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", _PAIR.sub(_join, text))


def _join(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16", "surrogatepass").decode("utf-16")


def _integer(value: int) -> Any:
    if -_SMALL < value < _SMALL:
        return value
    try:
        str(value)
    # Python reads and writes integers of a few thousand digits only.
    except ValueError:
        return f"<integer of about {int(value.bit_length() * _LOG10_OF_2) + 1:,} digits>"
    return value


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _unshown(value: Any) -> str:
    return f"<{type(value).__name__} that cannot be shown>"
