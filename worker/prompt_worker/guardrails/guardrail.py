"""A guardrail as its owner stored it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal
from uuid import UUID

Severity = Literal["critical", "high", "medium", "low"]
Action = Literal["block", "warn", "log"]


@dataclass(frozen=True)
class Guardrail:
    """A row of `prompt_guardrails`. An empty `applies_to_…` means all; where both are given, both must match."""

    name: str
    type: str
    config: Mapping[str, Any]
    id: UUID | None = None
    severity: Severity = "high"
    action: Action = "block"
    applies_to_templates: tuple[str, ...] = ()
    applies_to_categories: tuple[str, ...] = ()
    is_active: bool = True

    def __hash__(self) -> int:
        return hash((self.name, self.id, self.config_hash))

    @cached_property
    def config_hash(self) -> str:
        """SHA-256 of the type and the config: a violation stores it to say which version of the rules it broke."""
        canonical = json.dumps([self.type, self.config], sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()

    def applies_to(self, template_name: str | None, category: str | None) -> bool:
        """Whether it is active and meant for executions of that template and category."""
        return (
            self.is_active
            and (not self.applies_to_templates or template_name in self.applies_to_templates)
            and (not self.applies_to_categories or category in self.applies_to_categories)
        )
