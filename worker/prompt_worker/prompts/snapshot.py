"""All prompts of one moment, compiled: immutable, so that a service swaps one reference and readers need no lock."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple, Self

from prompt_worker.prompts import contract
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
from prompt_worker.prompts.registry.document import DocumentError, Name
from prompt_worker.prompts.rules import Condition, condition
from prompt_worker.prompts.template.including import Fragment, Lookup
from prompt_worker.prompts.variables import Declared
from prompt_worker.prompts.version import CompiledVersion, Given, LaterVersion, Origin, Stored

_PINNED = re.compile(r"(?P<name>.+)@(?P<version>[1-9][0-9]{0,9})", re.DOTALL)
_NO_NAMES: Mapping[str, Name] = MappingProxyType({})
_NO_CONTRACTS: Mapping[str, Declared] = MappingProxyType({})
_NOTHING: Mapping[str, str] = MappingProxyType({})

Key = tuple[str, int]


class RuleTarget(NamedTuple):
    """The rule with this number, from 1, and what it serves."""

    number: int
    condition: Condition
    target: CompiledVersion


class Entry(NamedTuple):
    """What a name may stand for. Of a label that cannot be served, the version is None."""

    category: str | None = None
    blocked: str | None = None
    active: CompiledVersion | None = None
    # There is an active version, if perhaps none that can be served.
    has_active: bool = False
    labels: Mapping[str, CompiledVersion | None] = MappingProxyType({})
    rules: tuple[RuleTarget, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether a name alone always means the active version."""
        return (
            self.active is not None
            and self.blocked is None
            and all(rule.condition.tests for rule in self.rules)
        )


class Snapshot:
    """Labels, includes and versions in it belong together. `quarantined`: why a prompt is not served as stored."""

    __slots__ = ("_made", "_versions", "entries", "origin", "quarantined")

    def __init__(
        self,
        versions: Mapping[Key, CompiledVersion | LaterVersion],
        entries: Mapping[str, Entry],
        quarantined: Mapping[str, str],
        origin: Origin,
    ) -> None:
        self._versions = versions
        self.entries = entries
        self.quarantined: Mapping[str, str] = MappingProxyType(dict(quarantined))
        self.origin = origin
        # One object for each choice that was made, as services compare and cache them.
        self._made: dict[tuple[CompiledVersion, str | None, str], Prompt] = {}

    @classmethod
    def build(
        cls,
        stored: Iterable[Given],
        *,
        previous: Snapshot | None = None,
        refused: Mapping[str, str] = _NOTHING,
        names: Mapping[str, Name] = _NO_NAMES,
        contracts: Mapping[str, Declared] = _NO_CONTRACTS,
        origin: Origin = Origin(),  # noqa: B008 - immutable
        compiling: Compiling | None = None,
    ) -> Self:
        """Compiles what is served and is not in `previous` already, with every include resolved.

        A prompt whose version cannot be served keeps the one of `previous`. `refused`: names that the source could not
        give, with the reason; they are quarantined too. `contracts`: the variables that built-in prompts declare.
        """
        building = _Building(stored, previous, names, contracts, compiling or Compiling())
        building.quarantined.update(refused)
        building.versions_of_all()
        entries = {name: building.entry(name) for name in building.all_names()}
        return cls(building.versions, entries, building.quarantined, origin)

    def served_as(self, origin: Origin) -> Self:
        """The same prompts, from elsewhere."""
        return type(self)(self._versions, self.entries, self.quarantined, origin)

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
            and (name in self.quarantined or self._versions.get(_key(entry.active)) is not entry.active)
        ]

    def active(self, name: str) -> Prompt:
        """The active version in its own language. Raises `UnknownPromptError`."""
        return self.prompt(self._active(name), None, "production")

    def find(self, name: str, version: int | None, language: str | None) -> Prompt:
        """Raises `UnknownPromptError`, and `VersionGoneError` where only the version is not there."""
        if version is None:
            return self.prompt(self._active(name), language, "production")
        return self.prompt(self.version(name, version), language, "pinned")

    def prompt(self, compiled: CompiledVersion, language: str | None, reason: str) -> Prompt:
        """`language` falls back from de-AT to de to the version's own text."""
        key = compiled, compiled.language(language), reason
        made = self._made.get(key)
        if made is None:
            made = self._made.setdefault(key, compiled.prompt(key[1], self.origin, reason))
        return made

    def version(self, name: str, version: int) -> CompiledVersion:
        """Compiled by now. Raises `UnknownPromptError`, and `VersionGoneError` where only the version is not there."""
        if type(version) is not int or version < 1:
            raise PromptReferenceError("a version is a whole number from 1; a label is no version")
        found = self._versions.get((name, version))
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


class Compiling:
    """How a snapshot is compiled: here at once. A service pauses between templates, and lets forks pass."""

    def __call__(self, make: Callable[[], CompiledVersion]) -> CompiledVersion:
        return make()


class _Building:
    """A snapshot that is being built."""

    def __init__(
        self,
        stored: Iterable[Given],
        previous: Snapshot | None,
        names: Mapping[str, Name],
        contracts: Mapping[str, Declared],
        compiling: Compiling,
    ) -> None:
        self._found: dict[Key, Given] = {}
        for each in stored:
            # The active version may have a file of its own as an older one, too.
            if each.is_active or (each.name, each.version) not in self._found:
                self._found[each.name, each.version] = each
        self._active = {name: version for (name, version), each in self._found.items() if each.is_active}
        self._previous = previous
        self._names = names
        self._contracts = contracts
        self._compiling = compiling
        self._resolver = Resolver(self._found)
        self._unfit: set[Key] = set()
        self.versions: dict[Key, CompiledVersion | LaterVersion] = {}
        self.quarantined: dict[str, str] = {}
        self._rules = {name: self._rules_of(name) for name in names}

    def all_names(self) -> Iterable[str]:
        before = self._previous.entries if self._previous is not None else {}
        kept = self.quarantined.keys() & before.keys()
        return dict.fromkeys([*self._names, *(name for name, _ in self._found), *sorted(kept)])

    def versions_of_all(self) -> None:
        """Compiles those that are served; those that are only known wait until somebody asks."""
        served = {*self._active.items()}
        for name, about in self._names.items():
            served |= {(name, version) for version in about.labels.values()}
            served |= {(name, version) for _, _, version in self._rules[name] or () if version is not None}
        later = threading.Lock()
        for key, given in self._found.items():
            before = self._previous._versions.get(key) if self._previous is not None else None
            if isinstance(before, LaterVersion):
                before = before.ready
            # What was read may be checked as a whole; what was not is compiled when it is served.
            now = key in served or isinstance(given, Stored)
            try:
                if before is not None and before.still_holds(given, self._resolver.lookup_for):
                    self.versions[key] = before
                elif now:
                    self.versions[key] = self._compiled(given)
                else:
                    self.versions[key] = LaterVersion(
                        given, self._resolver.lookup_for, self._accepted(given.name), later
                    )
            except TemplateFaultError as error:
                self._quarantine(given, str(error))
                if before is not None:
                    self.versions[key] = before
                continue
            if key in served:
                self._check(key, given)

    def _compiled(self, given: Given) -> CompiledVersion:
        return self._compiling(
            lambda: CompiledVersion(
                given.read(), self._resolver.lookup_for, accepted=self._accepted(given.name)
            )
        )

    def _accepted(self, name: str) -> frozenset[str]:
        return declared.known if (declared := self._contracts.get(name)) else frozenset()

    def _check(self, key: Key, given: Given) -> None:
        """Before the first request of the service fails."""
        declared, compiled = self._contracts.get(given.name), self.versions[key]
        if declared is not None and isinstance(compiled, CompiledVersion):
            wrong = contract.problem(compiled.declared, declared)
            if wrong is not None:
                self._quarantine(given, wrong)

    def _quarantine(self, given: Given, why: str) -> None:
        label = given.name if given.is_active else f"{given.name}@{given.version}"
        self.quarantined[label] = f"version {given.version}: {why}"
        self._unfit.add((given.name, given.version))

    def _target(self, name: str, version: int | None) -> CompiledVersion | None:
        """None of one that cannot be served as it is."""
        if version is None or (name, version) in self._unfit:
            return None
        found = self.versions.get((name, version))
        return found if isinstance(found, CompiledVersion) else None

    def entry(self, name: str) -> Entry:
        before = self._previous.entries.get(name) if self._previous is not None else None
        about = self._names.get(name) or Name()
        version = self._active.get(name)
        active = self._target(name, version)
        if active is None and before is not None and name in self.quarantined:
            active = before.active
            if active is not None:
                self.versions.setdefault(_key(active), active)
        return Entry(
            category=about.category,
            blocked=about.blocked,
            active=active,
            has_active=version is not None or name in self.quarantined,
            labels={label: self._label(name, label, at, before) for label, at in about.labels.items()},
            rules=tuple(self._rule_targets(name, before)),
        )

    def _label(self, name: str, label: str, version: int, before: Entry | None) -> CompiledVersion | None:
        found = self._target(name, version)
        if found is None and (name, version) in self._unfit and before is not None:
            found = before.labels.get(label)
        if found is None:
            self.quarantined.setdefault(
                f"{name}@{version}", f"version {version}: the label {label} has it, and it cannot be served"
            )
        return found

    def _rules_of(self, name: str) -> list[tuple[int, Condition, int | None]] | None:
        """Number, condition and version of each; None where they cannot be read."""
        try:
            rules = self._names[name].read_rules()
            return [
                (at, condition(rule), self._ruled(name, rule.version, rule.label))
                for at, rule in enumerate(rules, 1)
            ]
        except DocumentError as error:
            self.quarantined[f"{name} rules"] = str(error)
            return None

    def _ruled(self, name: str, version: int | None, label: str | None) -> int | None:
        if label is None:
            return version
        return self._active.get(name) if label == "production" else self._names[name].labels.get(label)

    def _rule_targets(self, name: str, before: Entry | None) -> Iterable[RuleTarget]:
        rules = self._rules.get(name, [])
        if rules is None:
            yield from before.rules if before is not None else ()
            return
        earlier = {rule.condition.same: rule.target for rule in before.rules} if before is not None else {}
        for number, wanted, version in rules:
            target = self._target(name, version)
            if target is None and version is not None and (name, version) in self._unfit:
                target = earlier.get(wanted.same)
            if target is None:
                self.quarantined.setdefault(
                    f"{name} rule {number}", "its version is not there or cannot be served"
                )
            else:
                yield RuleTarget(number, wanted, target)


class Resolver:
    """Finds what is included: the active version of a name, or the one after `@`."""

    def __init__(self, versions: Mapping[Key, Given]) -> None:
        self._versions = versions
        self._active = {each.name: each for each in versions.values() if each.is_active}

    def lookup_for(self, language: str | None) -> Lookup:
        def lookup(reference: str) -> Fragment | None:
            given = self._given(reference)
            if given is None:
                return None
            try:
                text = _text(given.read().content, language)
            except TemplateFaultError:
                return None
            return None if text is None else Fragment(_ref(given), text, given.sha256)

        return lookup

    def _given(self, reference: str) -> Given | None:
        if (pinned := _PINNED.fullmatch(reference)) is not None:
            return self._versions.get((pinned["name"], int(pinned["version"])))
        return self._active.get(reference)


def _key(compiled: CompiledVersion) -> Key:
    return compiled.stored.name, compiled.stored.version


def _ref(given: Given) -> str:
    return make_ref(given.name, given.version, None)


def _text(content: Content, language: str | None) -> str | None:
    """In that language or the next wider one; None of a chat."""
    if content.messages is not None:
        return None
    translations = {name.lower(): text for name, text in content.translations.items()}
    for candidate in chain(language) if language else ():
        if isinstance(found := translations.get(candidate), str):
            return found
    return content.template_text
