"""Input variables, however nested, as texts with a path each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from prompt_worker.guardrails.nesting import NESTED, Around, text_of

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z_-]*(?:[0-9]{1,5}[A-Za-z_-]*)?")
_LONGEST_NAME = 64
_LISTS = (list, tuple)


def flatten(variables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(path, text) of every text and number in nested objects and lists, in order, however deep.

    A key that is not a plain name may itself be personal data: it is a text of its own, and the path has its number
    instead. A value inside itself is left out.
    """
    around = Around()
    levels: list[Iterator[tuple[str, Any]]] = [iter([("", variables)])]
    while levels:
        for path, value in levels[-1]:
            if isinstance(value, str):
                if value:
                    yield path, value
            elif isinstance(value, NESTED):
                if around.enter(value) is None:
                    levels.append(_entries(path, value))
                    break
            elif value is not None and not isinstance(value, bool) and (text := text_of(value)):
                yield path, text
        else:
            levels.pop()
            around.leave()


def _entries(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, _LISTS):
        for index, entry in enumerate(value):
            yield f"{path}[{index}]", entry
        return
    for index, (key, entry) in enumerate(value.items()):
        name = text_of(key)
        if len(name) > _LONGEST_NAME or not _is_plain(name):
            yield f"{path}[#{index}].key", name
            name = f"[#{index}]"
        if path:
            name = f"{path}{name}" if name[0] == "[" else f"{path}.{name}"
        yield name, entry


@lru_cache(maxsize=1024)
def _is_plain(name: str) -> bool:
    return _PLAIN_NAME.fullmatch(name) is not None
