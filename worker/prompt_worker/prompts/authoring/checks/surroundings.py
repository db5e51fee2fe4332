"""What a version is compiled with: all that is in production, and what is included by number."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from psycopg2.extensions import cursor

from prompt_worker.prompts.authoring.checks.checking import references
from prompt_worker.prompts.authoring.stored import read_versions
from prompt_worker.prompts.content import Content
from prompt_worker.prompts.version import Stored

_PINNED = re.compile(r"(?P<name>.+)@(?P<version>[1-9][0-9]{0,8})", re.DOTALL)


def read_surroundings(cursor: cursor, contents: Iterable[Content] = ()) -> list[Stored]:
    """Of the whole registry, and of `contents`, which it need not have. What cannot be read is left out."""
    found = {
        (each.name, each.version): each.as_stored()
        for each in read_versions(cursor, production=True)
        if each.content is not None
    }
    waiting = [*contents, *(each.content for each in found.values())]
    while waiting:
        wanted = defaultdict[str, set[int]](set)
        for name, version in _pinned(waiting):
            if (name, version) not in found:
                wanted[name].add(version)
        waiting = []
        for name, versions in wanted.items():
            for each in read_versions(cursor, name, sorted(versions)):
                if each.content is not None:
                    found[each.name, each.version] = each.as_stored()
                    waiting.append(each.content)
    return list(found.values())


def _pinned(contents: Iterable[Content]) -> Iterator[tuple[str, int]]:
    for content in contents:
        for reference in references(content):
            if (pinned := _PINNED.fullmatch(reference)) is not None:
                yield pinned["name"], int(pinned["version"])
