"""Input variables, however nested, as texts; each can be given the path to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Raw

from prompt_worker.guardrails.nesting import NESTED, Around, Tree, text_of
from prompt_worker.guardrails.undecoded import opened

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z_-]*(?:[0-9]{1,5}[A-Za-z_-]*)?")
_LONGEST_NAME = 64
# Levels that are opened one by one.
_LEVELS = 20
_LISTS = (list, tuple)

# From a container to what it holds: the index in a list, or the name in an object.
Step = int | str


def walk(variables: Mapping[str, Any], *, decoded: bool = False) -> Iterator[tuple[Sequence[Step], str]]:
    """(steps, text) of every text and number in nested objects and lists, in order, however deep.

    The steps are one list, which changes: `path_of` reads it. A key that is not a plain name may itself be personal
    data: it is a text of its own, and its step has its number instead. A value inside itself is left out. `decoded`:
    the variables are JSON that was decoded, in which nothing occurs twice; parts of it are decoded only here.
    """
    around = Tree() if decoded else Around()
    steps: list[Step] = [""]
    levels: list[Iterator[tuple[Step, Any]]] = [iter([("", variables)])]
    while levels:
        for steps[-1], entry in levels[-1]:
            # Each level of a large value is read through: many around each other would be that many times.
            value = opened(entry, whole=len(levels) > _LEVELS) if entry.__class__ is Raw else entry
            if isinstance(value, str):
                if value:
                    yield steps, value
            elif isinstance(value, NESTED):
                if around.enter(value) is None:
                    levels.append(_entries(value))
                    steps.append("")
                    break
            elif value is not None and not isinstance(value, bool) and (text := text_of(value)):
                yield steps, text
        else:
            levels.pop()
            steps.pop()
            around.leave()


def path_of(steps: Sequence[Step]) -> str:
    """Such as `student.notes[1].text`; `[#2]` is the second entry of an object, whose key is no plain name."""
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{step}" if path and step[:1] not in ("", "[") else step
    return path


def _entries(value: Any) -> Iterator[tuple[Step, Any]]:
    return enumerate(value) if isinstance(value, _LISTS) else _named_entries(value)


def _named_entries(value: Mapping[Any, Any]) -> Iterator[tuple[Step, Any]]:
    for index, (key, entry) in enumerate(value.items()):
        name = text_of(key)
        if len(name) > _LONGEST_NAME or not _is_plain(name):
            yield f"[#{index}].key", name
            name = f"[#{index}]"
        yield name, entry


@lru_cache(maxsize=1024)
def _is_plain(name: str) -> bool:
    return _PLAIN_NAME.fullmatch(name) is not None
