"""What a set of contents would add to a registry, compared by their hashes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from prompt_worker.prompts.authoring.stored import Head
from prompt_worker.prompts.content import Content

# `new`: the first version of a name; `changed`: a version more; `saved`: there is such a version, which is not in
# production; `same`: it is the one in production; `refused`: it has to be another version's number.
Action = Literal["new", "changed", "saved", "same", "refused"]


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A content that a registry is to have, and where it comes from.

    `version` where it is to be that one and no other, as `NAME@3.prompt` is.
    """

    name: str
    content: Content
    description: str | None = None
    category: str | None = None
    version: int | None = None


class Planned(msgspec.Struct, frozen=True):
    """`version`: the one that has the content, or the next number. `before`: the one in production, else the newest."""

    candidate: Candidate
    action: Action
    version: int
    before: int | None

    @property
    def saves(self) -> bool:
        return self.action in ("new", "changed")


def plan(candidates: Iterable[Candidate], heads: Iterable[Head]) -> list[Planned]:
    """One for each candidate, in their order. Numbers of versions to come are what nobody else takes meanwhile."""
    stored: dict[str, list[Head]] = {}
    for head in heads:
        stored.setdefault(head.name, []).append(head)
    return [_planned(candidate, stored.get(candidate.name, [])) for candidate in candidates]


def _planned(candidate: Candidate, heads: Sequence[Head]) -> Planned:
    active = [head.version for head in heads if head.is_production]
    newest = max((head.version for head in heads), default=None)
    before = active[0] if active else newest
    same = [head for head in heads if head.sha256 == candidate.content.sha256]
    if candidate.version is not None:
        same = [head for head in same if head.version == candidate.version]
        if not same:
            return Planned(candidate, "refused", candidate.version, before)
    if not same:
        return Planned(candidate, "changed" if heads else "new", (newest or 0) + 1, before)
    # Of several the one in production, else the newest.
    found = max(same, key=lambda head: (head.is_production, head.version))
    return Planned(candidate, "same" if found.is_production else "saved", found.version, before)
