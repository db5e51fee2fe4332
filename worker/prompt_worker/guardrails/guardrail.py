"""A guardrail as its owner stored it, and the reading of its config."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal
from uuid import UUID

Severity = Literal["critical", "high", "medium", "low"]
Action = Literal["block", "warn", "log"]


class GuardrailConfigError(ValueError):
    """A guardrail that cannot be used; says which, and which field of its config is to be mended."""

    def __init__(self, guardrail: str, config_field: str, reason: str) -> None:
        super().__init__(f"guardrail '{guardrail}': {config_field}: {reason}")
        self.guardrail = guardrail
        self.config_field = config_field


@dataclass(frozen=True)
class Guardrail:
    """A row of `prompt_guardrails`. Empty `applies_to_…` means all; where both are given, both must hold."""

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
        """SHA-256 of the type and the config, so that a violation says which wording of the rules it broke."""
        canonical = json.dumps([self.type, self.config], sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()

    def applies_to(self, template_name: str | None, category: str | None) -> bool:
        return (
            self.is_active
            and (not self.applies_to_templates or template_name in self.applies_to_templates)
            and (not self.applies_to_categories or category in self.applies_to_categories)
        )


@dataclass(frozen=True)
class Config:
    """Reads one guardrail's config field by field; raises `GuardrailConfigError` for what cannot be used."""

    guardrail: str
    fields: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, guardrail: Guardrail) -> Config:
        if not isinstance(guardrail.config, Mapping):
            raise GuardrailConfigError(
                guardrail.name, "config", f"expected an object, got {_kind(guardrail.config)}"
            )
        return cls(guardrail.name, guardrail.config)

    def refuse(self, config_field: str, reason: str) -> GuardrailConfigError:
        return GuardrailConfigError(self.guardrail, config_field, reason)

    def strings(self, name: str) -> list[str] | None:
        """A list of strings that are not blank; None where the field is absent or null."""
        value = self.fields.get(name)
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            raise self.refuse(name, f"expected a list of strings, got {_kind(value)}")
        for index, entry in enumerate(value):
            if not isinstance(entry, str):
                raise self.refuse(f"{name}[{index}]", f"expected a string, got {_kind(entry)}")
            if not entry.strip():
                raise self.refuse(f"{name}[{index}]", "is blank: it would match everything")
        return list(value)

    def fraction(self, name: str, default: float) -> float:
        """A number from 0 to 1."""
        value = self.fields.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise self.refuse(name, "expected a number from 0 to 1")
        return float(value)

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.fields.get(name, default)
        if not isinstance(value, bool):
            raise self.refuse(name, f"expected true or false, got {_kind(value)}")
        return value


def _kind(value: object) -> str:
    names = {str: "a string", bool: "true or false", dict: "an object", list: "a list", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else type(value).__name__)
