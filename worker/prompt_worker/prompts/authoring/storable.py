"""What of JSON the database can keep."""

from __future__ import annotations

from typing import Any

from prompt_worker.prompts.content import canonical_json
from prompt_worker.prompts.errors import PromptError


class NotJsonError(PromptError):
    """What was given is no JSON, or too long."""


def unstorable(value: Any) -> str | None:
    """Why it cannot be kept as JSON; None where it can."""
    try:
        canonical_json(value).encode()
    except (ValueError, RecursionError):
        return "it is not JSON, or nested too deeply"
    return "it holds a NUL character, which the database cannot store" if has_nul(value) else None


def has_nul(value: Any) -> bool:
    """Anywhere in it, also in the name of a field."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(map(has_nul, (*value, *value.values())))
    return isinstance(value, list | tuple) and any(map(has_nul, value))
