"""What is known of one name: its active version, labels and rules."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from prompt_worker.prompts.snapshot.experiments import Running
from prompt_worker.prompts.snapshot.rules import Condition
from prompt_worker.prompts.version import CompiledVersion


class RuleTarget(NamedTuple):
    """The rule with this number, from 1, and what it serves."""

    number: int
    condition: Condition
    target: CompiledVersion


class Entry(NamedTuple):
    """What a name may mean. Of a label that cannot be served, the version is None."""

    category: str | None = None
    blocked: str | None = None
    active: CompiledVersion | None = None
    # There is an active version, if perhaps none that can be served.
    has_active: bool = False
    labels: Mapping[str, CompiledVersion | None] = MappingProxyType({})
    rules: tuple[RuleTarget, ...] = ()
    # In place of the active version.
    experiment: Running | None = None

    @property
    def is_plain(self) -> bool:
        """Whether a name alone always means the active version."""
        return (
            self.active is not None
            and self.blocked is None
            and self.experiment is None
            and all(rule.condition.tests for rule in self.rules)
        )
