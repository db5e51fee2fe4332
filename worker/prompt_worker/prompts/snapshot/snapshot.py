"""All prompts of one moment, compiled: immutable, so that a service swaps one reference and readers need no lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Self

from prompt_worker.prompts.errors import (
    PromptReferenceError,
    TemplateFaultError,
    UnknownPromptError,
    VersionGoneError,
    short,
)
from prompt_worker.prompts.prompt import Enrolment, Prompt, Source
from prompt_worker.prompts.registry.document import Name
from prompt_worker.prompts.registry.experiment import Experiments
from prompt_worker.prompts.snapshot.building import Building, Compiling, key_of
from prompt_worker.prompts.snapshot.entry import Entry
from prompt_worker.prompts.snapshot.resolving import Key, Resolver
from prompt_worker.prompts.variables import Declared
from prompt_worker.prompts.version import CompiledVersion, Given, LaterVersion, Origin, Stored

_NO_NAMES: Mapping[str, Name] = MappingProxyType({})
_NO_CONTRACTS: Mapping[str, Declared] = MappingProxyType({})
_NOTHING: Mapping[str, str] = MappingProxyType({})

__all__ = ["Compiling", "Resolver", "Snapshot"]


class Snapshot:
    """Labels, includes and versions in it belong together. `quarantined`: why a prompt is not served as stored."""

    __slots__ = ("_made", "entries", "origin", "quarantined", "versions")

    def __init__(
        self,
        versions: Mapping[Key, CompiledVersion | LaterVersion],
        entries: Mapping[str, Entry],
        quarantined: Mapping[str, str],
        origin: Origin,
    ) -> None:
        self.versions = versions
        self.entries = entries
        self.quarantined: Mapping[str, str] = MappingProxyType(dict(quarantined))
        self.origin = origin
        # One object for each choice that was made, as services compare and cache them.
        self._made: dict[tuple[CompiledVersion, str | None, str, Enrolment | None], Prompt] = {}

    @classmethod
    def build(
        cls,
        stored: Iterable[Given],
        *,
        previous: Snapshot | None = None,
        refused: Mapping[str, str] = _NOTHING,
        names: Mapping[str, Name] = _NO_NAMES,
        experiments: Experiments = Experiments(),  # noqa: B008 - immutable
        contracts: Mapping[str, Declared] = _NO_CONTRACTS,
        origin: Origin = Origin(),  # noqa: B008 - immutable
        compiling: Compiling | None = None,
    ) -> Self:
        """Compiles what is served and is not in `previous` already, with every include resolved.

        A prompt whose version cannot be served keeps the one of `previous`. `refused`: names that the source could not
        give, with the reason; they are quarantined too. `contracts`: the variables that built-in prompts declare.
        """
        building = Building(
            stored, previous, names, contracts, compiling=compiling or Compiling(), experiments=experiments
        )
        building.quarantined.update(refused)
        building.versions_of_all()
        entries = building.entries()
        return cls(building.versions, entries, building.quarantined, origin)

    def served_as(self, origin: Origin) -> Self:
        """The same prompts, from elsewhere."""
        return type(self)(self.versions, self.entries, self.quarantined, origin)

    @property
    def source(self) -> Source:
        return self.origin.source

    @property
    def revision(self) -> int | None:
        return self.origin.revision

    def __len__(self) -> int:
        """How many names have an active version."""
        return sum(entry.active is not None for entry in self.entries.values())

    def kept(self) -> list[Stored]:
        """The versions that are served although they are no longer, or not as they are, in what was built."""
        return [
            entry.active.stored
            for name, entry in self.entries.items()
            if entry.active is not None
            and (name in self.quarantined or self.versions.get(key_of(entry.active)) is not entry.active)
        ]

    def active(self, name: str) -> Prompt:
        """The active version in its own language. Raises `UnknownPromptError`."""
        return self.prompt(self._active(name), None, "production")

    def find(self, name: str, version: int | None, language: str | None) -> Prompt:
        """Raises `UnknownPromptError`, and `VersionGoneError` where only the version is not there."""
        if version is None:
            return self.prompt(self._active(name), language, "production")
        return self.prompt(self.version(name, version), language, "pinned")

    def prompt(
        self,
        compiled: CompiledVersion,
        language: str | None,
        reason: str,
        enrolment: Enrolment | None = None,
    ) -> Prompt:
        """`language` falls back from de-AT to de to the version's own text."""
        key = compiled, compiled.language(language), reason, enrolment
        made = self._made.get(key)
        if made is None:
            made = self._made.setdefault(key, compiled.prompt(key[1], self.origin, reason, enrolment))
        return made

    def version(self, name: str, version: int) -> CompiledVersion:
        """Compiled by now. Raises `UnknownPromptError`, and `VersionGoneError` where only the version is not there."""
        if type(version) is not int or version < 1:
            raise PromptReferenceError("a version is a whole number from 1; a label is no version")
        found = self.versions.get((name, version))
        if isinstance(found, LaterVersion):
            try:
                return found.compiled()
            except TemplateFaultError as error:
                raise VersionGoneError(
                    f"{short(name)} has no version {version} that can be used: {error}"
                ) from None
        if found is not None:
            return found
        if not self.knows(name):
            raise self._unknown(name)
        if f"{name}@{version}" in self.quarantined or name in self.quarantined:
            raise VersionGoneError(
                f"{short(name)} has no version {version} that can be used: health() says why"
            )
        raise VersionGoneError(
            f"{short(name)} has no version {version} any more: ask for the active one, or restore it"
        )

    def knows(self, name: str) -> bool:
        try:
            return name in self.entries and (
                self.source != "builtin" or self.entries[name].active is not None
            )
        except TypeError:
            return False

    def _active(self, name: str) -> CompiledVersion:
        try:
            found = self.entries[name].active
        except (KeyError, TypeError):
            found = None
        if found is None:
            raise self._unknown(name)
        return found

    def _unknown(self, name: object) -> UnknownPromptError:
        if isinstance(name, str) and name in self.quarantined:
            return UnknownPromptError(f"{short(name)} is quarantined: health() and prompts check say why")
        return UnknownPromptError(
            f"no prompt is named {short(name)}: prompts check lists what is in a folder"
        )
