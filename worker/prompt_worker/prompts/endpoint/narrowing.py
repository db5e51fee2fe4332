"""The registry as one reader sees it that is restricted to labels: their versions, as if these were in production."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from prompt_worker.prompts.authoring.checks.checking import references
from prompt_worker.prompts.registry.document import Document, DocumentError, Name, Version

# Of each name the first that it has; `production` is the active version.
Labels = tuple[str, ...]

PRODUCTION = "production"
_PINNED = re.compile(r"(?P<name>.+)@(?P<version>[1-9][0-9]{0,8})", re.DOTALL)
_Key = tuple[str, int]


def narrowed(document: Document, labels: Labels) -> Document:
    """Of each name the version that the first of `labels` has, active, and what it includes; no other version.

    A fragment that has none of the labels is as it is in production. Rules and experiments are left out: they would
    serve something else. A name that is blocked stays, so that no service serves its built-in prompt.
    """
    # Also the control of a test, where nothing else is in production: a document has one active version of each name.
    production = {each.name: each.version for each in document.versions if each.is_active}
    chosen = {
        name: version
        for name, about in document.names.items()
        if (version := _first(labels, about, production.get(name))) is not None
    }
    active = production | chosen
    kept = dict(_kept(document, chosen, active))
    names = {name for name, _ in kept}
    return msgspec.structs.replace(
        document,
        names={
            name: _about(about, name, labels, kept)
            for name, about in document.names.items()
            if about.blocked is not None or name in names
        },
        versions=[
            msgspec.structs.replace(each, is_active=active.get(each.name) == each.version)
            for each in kept.values()
        ],
        experiments=[],
    )


def _first(labels: Labels, about: Name, production: int | None) -> int | None:
    found = (production if label == PRODUCTION else about.labels.get(label) for label in labels)
    return next((version for version in found if version is not None), None)


def _kept(
    document: Document, chosen: Mapping[str, int], active: Mapping[str, int]
) -> Iterator[tuple[_Key, Version]]:
    """The versions that were chosen, and all that they include, in the document's order."""
    found = {(each.name, each.version): each for each in document.versions}
    wanted: set[_Key] = set()
    waiting: list[_Key] = list(chosen.items())
    while waiting:
        key = waiting.pop()
        if key in found and key not in wanted:
            wanted.add(key)
            waiting += _included(found[key], active)
    yield from ((key, each) for key, each in found.items() if key in wanted)


def _included(version: Version, active: Mapping[str, int]) -> Iterable[_Key]:
    try:
        written = references(version.read_content())
    except DocumentError:
        return
    for reference in written:
        if (pinned := _PINNED.fullmatch(reference)) is not None:
            yield pinned["name"], int(pinned["version"])
        elif reference in active:
            yield reference, active[reference]


def _about(about: Name, name: str, labels: Labels, kept: Mapping[_Key, Version]) -> Name:
    return Name(
        category=about.category,
        blocked=about.blocked,
        labels={
            label: version
            for label, version in about.labels.items()
            if label in labels and (name, version) in kept
        },
    )
