"""A snapshot that is being built: what is compiled, what is kept of the one before, and what is quarantined."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from prompt_worker.prompts.errors import TemplateFaultError
from prompt_worker.prompts.registry.document import DocumentError, Name
from prompt_worker.prompts.registry.experiment import Experiments
from prompt_worker.prompts.snapshot import contract
from prompt_worker.prompts.snapshot.entry import Entry, RuleTarget
from prompt_worker.prompts.snapshot.experiments import Tested
from prompt_worker.prompts.snapshot.resolving import Key, Resolver
from prompt_worker.prompts.snapshot.rules import Condition, condition
from prompt_worker.prompts.variables import Declared
from prompt_worker.prompts.version import CompiledVersion, Given, LaterVersion, Stored


class Before(Protocol):
    """The snapshot before."""

    @property
    def versions(self) -> Mapping[Key, CompiledVersion | LaterVersion]: ...
    @property
    def entries(self) -> Mapping[str, Entry]: ...


class Compiling:
    """How a snapshot is compiled: here at once. A service pauses between templates, and lets forks pass."""

    def __call__(self, make: Callable[[], CompiledVersion]) -> CompiledVersion:
        return make()


class Building:
    """A snapshot that is being built."""

    def __init__(
        self,
        stored: Iterable[Given],
        previous: Before | None,
        names: Mapping[str, Name],
        contracts: Mapping[str, Declared],
        *,
        compiling: Compiling,
        experiments: Experiments,
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
        self._tested = Tested(experiments, self._found, self._active)

    def entries(self) -> dict[str, Entry]:
        """Of all names."""
        entries = {name: self._entry(name) for name in self._all_names()}
        self.quarantined.update(self._tested.quarantined)
        return entries

    def _all_names(self) -> Iterable[str]:
        before = self._previous.entries if self._previous is not None else {}
        kept = self.quarantined.keys() & before.keys()
        return dict.fromkeys([*self._names, *(name for name, _ in self._found), *sorted(kept)])

    def versions_of_all(self) -> None:
        """Compiles those that are served; those that are only known wait until somebody asks."""
        served = {*self._active.items(), *self._tested.versions()}
        for name, about in self._names.items():
            served |= {(name, version) for version in about.labels.values()}
            served |= {(name, version) for _, _, version in self._rules[name] or () if version is not None}
        later = threading.Lock()
        for key, given in self._found.items():
            before = self._previous.versions.get(key) if self._previous is not None else None
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

    def _entry(self, name: str) -> Entry:
        before = self._previous.entries.get(name) if self._previous is not None else None
        about = self._names.get(name) or Name()
        version = self._active.get(name)
        active = self._target(name, version)
        if active is None and before is not None and name in self.quarantined:
            active = before.active
            if active is not None:
                self.versions.setdefault(key_of(active), active)
        return Entry(
            category=about.category,
            blocked=about.blocked,
            active=active,
            has_active=version is not None or name in self.quarantined,
            labels={label: self._label(name, label, at, before) for label, at in about.labels.items()},
            rules=tuple(self._rule_targets(name, before)),
            experiment=self._tested.running(name, self._target) if active is not None else None,
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


def key_of(compiled: CompiledVersion) -> Key:
    return compiled.stored.name, compiled.stored.version
