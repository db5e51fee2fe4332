"""Which version a service gets: of what the registry has, or else of the prompts in its image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from prompt_worker.prompts.errors import (
    PromptBlockedError,
    PromptReferenceError,
    UnknownPromptError,
    VersionGoneError,
    short,
)
from prompt_worker.prompts.prompt import Prompt, read_ref
from prompt_worker.prompts.serving.enrolling import Enrolling
from prompt_worker.prompts.snapshot.entry import Entry
from prompt_worker.prompts.snapshot.snapshot import Snapshot

PRODUCTION = "production"
_NO_CONTEXT: Mapping[str, Any] = {}


class View:
    """What a service serves at one moment. `live` is None while the registry was never read.

    A service that has no registry at all is `offline`: its built-in prompts take nobody's place.
    """

    __slots__ = ("_by_name", "_enrolling", "builtin", "live", "offline")

    def __init__(self, builtin: Snapshot, live: Snapshot | None, *, offline: bool) -> None:
        self.builtin, self.live, self.offline = builtin, live, offline
        self._by_name = self._plain()
        self._enrolling = {
            name: Enrolling(entry.experiment, entry.active, live)
            for name, entry in (live.entries.items() if live is not None else ())
            if live is not None and entry.experiment is not None and entry.active is not None
        }

    def get(self, name: str) -> Prompt | None:
        """What the name alone means; None where that takes a choice."""
        try:
            return self._by_name.get(name)
        except TypeError:
            return None

    def choose(
        self,
        name: str,
        *,
        unit: str | None = None,
        session_id: str | None = None,
        environment: str | None = None,
        context: Mapping[str, Any] | None = None,
        language: str | None = None,
        version: int | None = None,
        label: str | Sequence[str] | None = None,
        ref: str | None = None,
    ) -> Prompt:
        """Blocked, ref, version, label, rules, experiment or rollout, production, built-in: the first that applies.

        An experiment that names an environment runs in this `environment` alone.
        """
        entry = self._entry(name)
        if entry is not None and entry.blocked is not None:
            raise PromptBlockedError(f"{short(name)} is blocked: {short(entry.blocked)}")
        if ref is not None:
            return self._referenced(name, ref, version, language)
        if version is not None:
            return self._pinned(name, version, language)
        if label is not None:
            return self._labelled(name, entry, label, language)
        if entry is not None and entry.rules and self.live is not None:
            known = context if isinstance(context, Mapping) else _NO_CONTEXT
            for rule in entry.rules:
                if rule.condition.holds(known):
                    return self.live.prompt(rule.target, language, f"rule:{rule.number}")
        if entry is not None and entry.experiment is not None:
            enrolling = self._enrolling.get(name)
            if enrolling is not None and enrolling.environment in (None, environment):
                return enrolling.prompt(unit, session_id, language)
        return self._production(name, entry, language)

    def _plain(self) -> dict[str, Prompt]:
        plain = {}
        for name, entry in self.builtin.entries.items():
            if entry.active is not None and self._entry(name) is None:
                plain[name] = self._builtin(name, None, None)
        for name, entry in self.live.entries.items() if self.live is not None else ():
            if entry.active is not None and entry.is_plain and self.live is not None:
                plain[name] = self.live.prompt(entry.active, None, PRODUCTION)
        return plain

    def _entry(self, name: str) -> Entry | None:
        """What the registry says of the name."""
        try:
            return self.live.entries.get(name) if self.live is not None else None
        except TypeError:
            return None

    def _referenced(self, name: str, ref: str, version: int | None, language: str | None) -> Prompt:
        pinned = read_ref(ref)
        if pinned.name != name:
            raise PromptReferenceError(f"this ref is of {short(pinned.name)}, not of {short(name)}")
        if version not in (None, pinned.version) or language not in (None, pinned.language):
            raise PromptReferenceError("a ref says version and language: pass it alone")
        if pinned.builtin and not self.offline:
            try:
                built_in = self.builtin.version(name, pinned.version)
            # Of an image that has no longer, or not yet, what another had.
            except (UnknownPromptError, VersionGoneError):
                pass
            else:
                return self.builtin.prompt(built_in, pinned.language, self._reason(name))
        return self._pinned(name, pinned.version, pinned.language)

    def _pinned(self, name: str, version: int, language: str | None) -> Prompt:
        """Never another one: the registry's, or where that does not know the name, the image's."""
        snapshot = self.live if self.live is not None and self.live.knows(name) else self.builtin
        return snapshot.prompt(snapshot.version(name, version), language, "pinned")

    def _labelled(
        self, name: str, entry: Entry | None, label: str | Sequence[str], language: str | None
    ) -> Prompt:
        """The first of these labels that the name has."""
        chain = tuple(label) if isinstance(label, list | tuple) else (label,)
        for each in chain:
            if not isinstance(each, str) or not each or each.isdigit() or each == "latest":
                raise PromptReferenceError(
                    f"{short(repr(each))} is no label: a number is given as version=, and what is newest by no name"
                )
        if entry is None or self.live is None:
            return self._builtin(name, language, self._reason(name))
        broken = False
        for each in chain:
            if each == PRODUCTION:
                return self._production(name, entry, language)
            if (target := entry.labels.get(each)) is not None:
                return self.live.prompt(target, language, f"label:{each}")
            broken = broken or each in entry.labels
        if broken:
            return self._builtin(name, language, "builtin:quarantined")
        raise UnknownPromptError(
            f"{short(name)} has no label {', '.join(map(short, chain))}: prompts show lists those it has"
        )

    def _production(self, name: str, entry: Entry | None, language: str | None) -> Prompt:
        if self.live is not None and entry is not None and entry.active is not None:
            return self.live.prompt(entry.active, language, PRODUCTION)
        return self._builtin(name, language, self._reason(name))

    def _builtin(self, name: str, language: str | None, reason: str | None) -> Prompt:
        entry = self._entry_of_image(name)
        if entry is None or entry.active is None:
            self._refuse(name)
        return self.builtin.prompt(entry.active, language, reason or self._reason(name))

    def _entry_of_image(self, name: str) -> Entry | None:
        try:
            return self.builtin.entries.get(name)
        except TypeError:
            return None

    def _reason(self, name: str) -> str:
        """Why it is the built-in one."""
        if self.offline:
            return PRODUCTION
        if self.live is None:
            return "builtin:unavailable"
        entry = self._entry(name)
        if entry is None:
            return "builtin:unknown"
        return "builtin:quarantined" if entry.has_active else "builtin:inactive"

    def _refuse(self, name: str) -> NoReturn:
        if self.offline:
            self.builtin.active(name)
        why = {
            "builtin:unavailable": "the registry was not reached yet, and there is no built-in prompt of this name",
            "builtin:unknown": "neither the registry nor the built-in prompts have this name",
            "builtin:inactive": "it has no active version, and there is no built-in one: activate a version",
        }.get(self._reason(name), "it is quarantined, and there is no built-in one: health() says why")
        raise UnknownPromptError(f"no prompt {short(name)}: {why}")
