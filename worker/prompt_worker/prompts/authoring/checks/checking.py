"""The check of versions that are to be saved or activated, with all that they include and all that includes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from prompt_worker.prompts.authoring.checks.child import Job, Key
from prompt_worker.prompts.authoring.checks.confined import confined
from prompt_worker.prompts.content import Content
from prompt_worker.prompts.errors import TemplateFaultError
from prompt_worker.prompts.version import Stored, texts

_INCLUDE = re.compile(r"\{%[-+]?\s*include\s*(?:\"([^\"]+)\"|'([^']+)')")


class Checked(msgspec.Struct, frozen=True):
    """One version. `error` says where and why it cannot be served; `included` is each reference with its hash.

    `because` is the fragment through which it is affected; None where it was to be checked itself.
    """

    name: str
    version: int
    error: TemplateFaultError | None
    included: Mapping[str, str]
    because: str | None = None


def check_versions(candidates: Sequence[Stored], others: Iterable[Stored]) -> list[Checked]:
    """The candidates, and every prompt in production that includes one of them, as if these were in production.

    `others` are what is in production, and what is included by number. A candidate that is not active is tried as
    it is. Raises `ConfinedError`.
    """
    found = {(each.name, each.version): each for each in others}
    active = {each.name for each in candidates if each.is_active}
    for key, each in found.items():
        if each.is_active and each.name in active:
            found[key] = msgspec.structs.replace(each, is_active=False)
    found |= {(each.name, each.version): each for each in candidates}
    because = including(active, found.values())
    affected = [each for each in found.values() if each.is_active and each.name in because]
    tried = [*candidates, *affected]
    job = Job(list(found.values()), [Key(each.name, each.version) for each in tried])
    return [
        Checked(each.name, each.version, step.error, step.included, because.get(each.name))
        for each, step in zip(tried, confined(job), strict=True)
    ]


def references(content: Content) -> frozenset[str]:
    """The names and refs that it includes, as they are written."""
    try:
        written = [text for _, _, text in texts(content)]
    except TemplateFaultError:
        return frozenset()
    contents = [
        part
        for text in written
        for part in ([text] if isinstance(text, str) else [message.content or "" for message in text])
    ]
    return frozenset(found[1] or found[2] for part in contents for found in _INCLUDE.finditer(part))


def including(names: set[str], versions: Iterable[Stored]) -> dict[str, str]:
    """The names of those in production that include one of `names`, also through others, each with what it includes."""
    includers: dict[str, list[str]] = {}
    for each in versions:
        for reference in references(each.content) if each.is_active else ():
            includers.setdefault(reference, []).append(each.name)
    found: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        fragment = waiting.pop()
        for name in includers.get(fragment, ()):
            if name not in found and name not in names:
                found[name] = fragment
                waiting.append(name)
    return found
