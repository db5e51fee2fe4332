"""Whether a version fits the service that asks for it: its built-in prompt says which variables it passes."""

from __future__ import annotations

from prompt_worker.prompts.errors import names
from prompt_worker.prompts.variables import Declared


def problem(declared: Declared, contract: Declared) -> str | None:
    """Why requests of the service would fail, None where they would not.

    What the version no longer reads is no problem: the service may go on passing it.
    """
    if unknown := sorted(declared.required - contract.known):
        return f"it needs {names(unknown)}, which the built-in contract does not declare"
    if maybe := sorted(declared.required - contract.required):
        return f"it needs {names(maybe)}, which the built-in contract leaves optional"
    different = [
        name
        for name in sorted(declared.known & contract.known)
        if not {declared.kind(name), contract.kind(name)} & {"any"}
        and not _holds(declared.kind(name), contract.kind(name))
    ]
    if different:
        return f"it declares another type of {names(different)} than the built-in contract"
    return None


def _holds(declared: str, given: str) -> bool:
    """An integer is a number, too."""
    return declared == given or (declared, given) == ("number", "integer")
