"""All prompts of one moment, compiled: immutable, so that a service swaps one reference and readers need no lock."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Self

from prompt_worker.prompts.content import Content
from prompt_worker.prompts.errors import (
    PromptReferenceError,
    TemplateFaultError,
    UnknownPromptError,
    VersionGoneError,
    short,
)
from prompt_worker.prompts.languages import chain
from prompt_worker.prompts.prompt import Prompt, Source, make_ref
from prompt_worker.prompts.template.including import Fragment, Lookup
from prompt_worker.prompts.version import CompiledVersion, Stored

_PINNED = re.compile(r"(?P<name>.+)@(?P<version>[1-9][0-9]{0,9})", re.DOTALL)


class Snapshot:
    """Labels, includes and versions in it belong together. `quarantined`: why a prompt is not served as stored."""

    __slots__ = ("_active", "_versions", "quarantined", "revision", "source")

    def __init__(
        self,
        versions: Mapping[tuple[str, int], CompiledVersion],
        active: Mapping[str, CompiledVersion],
        quarantined: Mapping[str, str],
        source: Source,
        revision: int | None,
    ) -> None:
        self._versions, self._active = dict(versions), dict(active)
        self.quarantined: Mapping[str, str] = MappingProxyType(dict(quarantined))
        self.source, self.revision = source, revision

    @classmethod
    def build(
        cls,
        stored: Iterable[Stored],
        *,
        previous: Snapshot | None = None,
        refused: Mapping[str, str] = MappingProxyType({}),
        source: Source = "builtin",
        revision: int | None = None,
    ) -> Self:
        """Compiles what is not in `previous` already, with every include resolved.

        A prompt whose active version cannot be compiled keeps the one of `previous`. `refused`: names that the source
        could not give, with the reason; they are quarantined too.
        """
        found: dict[tuple[str, int], Stored] = {}
        for each in stored:
            # The active version may have a file of its own as an older one, too.
            if each.is_active or (each.name, each.version) not in found:
                found[each.name, each.version] = each
        resolver = Resolver(found)
        versions: dict[tuple[str, int], CompiledVersion] = {}
        active: dict[str, CompiledVersion] = {}
        quarantined = dict(refused)
        for key, each in found.items():
            before = previous._versions.get(key) if previous else None
            try:
                if before is not None and before.still_holds(each, resolver.lookup_for):
                    compiled = before
                else:
                    compiled = CompiledVersion(each, resolver.lookup_for, source, revision)
            except TemplateFaultError as error:
                label = each.name if each.is_active else f"{each.name}@{each.version}"
                quarantined[label] = f"version {each.version}: {error}"
                if before is not None:
                    versions[key] = before
                continue
            versions[key] = compiled
            if each.is_active:
                active[each.name] = compiled
        if previous is not None:
            for name in quarantined.keys() & previous._active.keys() - active.keys():
                kept = active[name] = previous._active[name]
                versions.setdefault((name, kept.stored.version), kept)
        return cls(versions, active, quarantined, source, revision)

    def __len__(self) -> int:
        """How many names have an active version."""
        return len(self._active)

    def active(self, name: str) -> Prompt:
        """The active version in its own language. Raises `UnknownPromptError`."""
        try:
            return self._active[name].default
        except (KeyError, TypeError):
            raise self._unknown(name) from None

    def find(self, name: str, version: int | None, language: str | None) -> Prompt:
        """Raises `UnknownPromptError`, and `VersionGoneError` where only the version is not there."""
        if version is None:
            # Raises where there is none.
            self.active(name)
            return self._active[name].in_language(language, pinned=False)
        if type(version) is not int or version < 1:
            raise PromptReferenceError("a version is a whole number from 1; a label is no version")
        compiled = self._versions.get((name, version))
        if compiled is not None:
            return compiled.in_language(language, pinned=True)
        if name not in self._active:
            raise self._unknown(name)
        if f"{name}@{version}" in self.quarantined or name in self.quarantined:
            raise VersionGoneError(
                f"{short(name)} has no version {version} that can be used: health() says why"
            )
        raise VersionGoneError(
            f"{short(name)} has no version {version} any more: ask for the active one, or restore it"
        )

    def _unknown(self, name: object) -> UnknownPromptError:
        if isinstance(name, str) and name in self.quarantined:
            return UnknownPromptError(f"{short(name)} is quarantined: health() and prompts check say why")
        return UnknownPromptError(
            f"no prompt is named {short(name)}: prompts check lists what is in a folder"
        )


class Resolver:
    """Finds what is included: the active version of a name, or the one after `@`."""

    def __init__(self, versions: Mapping[tuple[str, int], Stored]) -> None:
        self._versions = versions
        self._active = {each.name: each for each in versions.values() if each.is_active}

    def lookup_for(self, language: str | None) -> Lookup:
        def lookup(reference: str) -> Fragment | None:
            stored = self._stored(reference)
            text = _text(stored.content, language) if stored else None
            return None if stored is None or text is None else Fragment(_ref(stored), text, stored.sha256)

        return lookup

    def _stored(self, reference: str) -> Stored | None:
        if (pinned := _PINNED.fullmatch(reference)) is not None:
            return self._versions.get((pinned["name"], int(pinned["version"])))
        return self._active.get(reference)


def _ref(stored: Stored) -> str:
    return make_ref(stored.name, stored.version, None)


def _text(content: Content, language: str | None) -> str | None:
    """In that language or the next wider one; None of a chat."""
    if content.messages is not None:
        return None
    translations = {name.lower(): text for name, text in content.translations.items()}
    for candidate in chain(language) if language else ():
        if isinstance(found := translations.get(candidate), str):
            return found
    return content.template_text
