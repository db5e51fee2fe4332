"""The config of a guardrail, read field by field; what cannot be used is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class GuardrailConfigError(ValueError):
    """A guardrail that cannot be used: names the guardrail and the field of its config that has to be fixed."""

    def __init__(self, guardrail: str, config_field: str, reason: str) -> None:
        super().__init__(f"guardrail '{guardrail}': {config_field}: {reason}")
        self.guardrail = guardrail
        self.config_field = config_field


@dataclass(frozen=True)
class Config:
    """The fields of one guardrail's config. Its methods raise `GuardrailConfigError` for what cannot be used."""

    guardrail: str
    fields: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, guardrail: str, config: object) -> Config:
        """Of the guardrail with that name. Raises `GuardrailConfigError` where its config is not an object."""
        if not isinstance(config, Mapping):
            raise GuardrailConfigError(guardrail, "config", f"expected an object, got {_json_type(config)}")
        return cls(guardrail, config)

    def refuse(self, config_field: str, reason: str) -> GuardrailConfigError:
        """The error, for the caller to raise."""
        return GuardrailConfigError(self.guardrail, config_field, reason)

    def strings(self, name: str) -> list[str] | None:
        """A list of strings that are not blank; None where the field is absent or null."""
        value = self.fields.get(name)
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            raise self.refuse(name, f"expected a list of strings, got {_json_type(value)}")
        for index, entry in enumerate(value):
            if not isinstance(entry, str):
                raise self.refuse(f"{name}[{index}]", f"expected a string, got {_json_type(entry)}")
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
        """True or false."""
        value = self.fields.get(name, default)
        if not isinstance(value, bool):
            raise self.refuse(name, f"expected true or false, got {_json_type(value)}")
        return value


def _json_type(value: object) -> str:
    names = {str: "a string", bool: "true or false", dict: "an object", list: "a list", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else type(value).__name__)
