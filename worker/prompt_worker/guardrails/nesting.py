"""Values that hold values: walked without recursion, and to an end, whatever they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from functools import partial
from itertools import islice
from typing import Any

NESTED = (dict, list, tuple, Mapping)
# In place of what cannot be shown, as in an event that a publisher sends.
CIRCULAR = "<circular reference>"
TOO_DEEP = "<nested too deeply>"

# Deeper than any JSON that can be read; a mapping that makes new ones without end stops here.
_DEEPEST = 5000
# Shared containers that are entered again: 30 lists, each of which holds the next one twice, are a billion.
_SHARED = 10_000

# What a copy makes a list of; an iterator may have no end.
_COPIED = (*NESTED, Set, Iterator)
_LONGEST_ITERATOR = 1_000_000

_Put = Callable[[Any], object]


class Around:
    """The containers around a value. Each `enter` that returns None needs a `leave`."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._open: set[int] = set()
        # Kept, so that none of their ids is given to another one.
        self._seen: dict[int, Any] = {}
        self._shared = 0

    def enter(self, container: Any) -> str | None:
        """Why it is not entered, in the words that take its place; None if it is."""
        key = id(container)
        if key in self._open:
            return CIRCULAR
        if key in self._seen:
            self._shared += 1
        if len(self._ids) >= _DEEPEST or self._shared > _SHARED:
            return TOO_DEEP
        self._seen[key] = container
        self._ids.append(key)
        self._open.add(key)
        return None

    def leave(self) -> None:
        if self._ids:
            self._open.remove(self._ids.pop())


def copied(value: Any, key: Callable[[str], str], leaf: Callable[[Any], Any]) -> Any:
    """`value` of new dicts and lists, each key and each value that holds no others given to `key` and `leaf`.

    A shared container is copied once; sets and iterators become lists. Keys that become the same are numbered.
    """
    around = Around()
    copies: dict[int, Any] = {}
    result: list[Any] = []
    levels: list[Iterator[tuple[_Put, Any]]] = [iter([(result.append, value)])]
    while levels:
        for put, entry in levels[-1]:
            if not isinstance(entry, _COPIED):
                put(leaf(entry))
            elif (refused := around.enter(entry)) == CIRCULAR:
                put(refused)
            elif id(entry) in copies:
                put(copies[id(entry)])
                if refused is None:
                    around.leave()
            elif refused:
                put(refused)
            else:
                copy: Any = {} if isinstance(entry, Mapping) else []
                copies[id(entry)] = copy
                put(copy)
                levels.append(_entries(entry, copy, key))
                break
        else:
            levels.pop()
            around.leave()
    return result[0]


def _entries(container: Any, copy: Any, key: Callable[[str], str]) -> Iterator[tuple[_Put, Any]]:
    if isinstance(container, Mapping):
        taken: dict[str, int] = {}
        for name, entry in container.items():
            yield partial(copy.__setitem__, _new_name(key(text_of(name)), taken)), entry
    else:
        for entry in islice(container, _LONGEST_ITERATOR if isinstance(container, Iterator) else None):
            yield copy.append, entry


def _new_name(name: str, taken: dict[str, int]) -> str:
    """`name`, with a number where it is taken already; notes it."""
    new, number = name, taken.get(name, 0)
    while new in taken:
        number += 1
        new = f"{name} ({number})"
    taken[name] = max(number, 1)
    taken.setdefault(new, 1)
    return new


def text_of(value: Any) -> str:
    """Its text; the name of its type where it has none: an integer of 5,000 digits, a `__str__` that raises."""
    try:
        return str(value)
    # Whatever a caller's own class raises, RecursionError included.
    except Exception:
        return f"<{type(value).__name__}>"
