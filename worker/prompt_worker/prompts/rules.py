"""Rules of a name: which version a context gets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from prompt_worker.prompts.content import canonical_json
from prompt_worker.prompts.registry.document import DocumentError, Rule

Test = Callable[[Any], bool]


class Condition(NamedTuple):
    """What the context has to be; `same` is equal for equal ones."""

    same: str
    tests: tuple[tuple[str, Test], ...]

    def holds(self, context: Mapping[str, Any]) -> bool:
        """Every key of it must be in `context`. One of another kind than the rule's is none that fits."""
        try:
            return all(key in context and test(context[key]) for key, test in self.tests)
        # What an object of the service's own raises when it is compared.
        except Exception:
            return False


def condition(rule: Rule) -> Condition:
    """Raises `DocumentError` for one that cannot be used."""
    tests = tuple((key, _test(given)) for key, given in rule.when.items())
    return Condition(canonical_json(rule.when), tests)


def _test(given: Any) -> Test:
    if not isinstance(given, dict):
        return lambda value: _equal(value, given)
    if given.keys() == {"in"} and isinstance(given["in"], list):
        several = given["in"]
        return lambda value: any(_equal(value, each) for each in several)
    if given and given.keys() <= {"from", "to"}:
        low, high = given.get("from"), given.get("to")
        if all(_orderable(bound) for bound in given.values()):
            return lambda value: _within(value, low, high)
    raise DocumentError("its rules cannot be read: a condition is a value, in, or from and to")


def _equal(value: Any, given: Any) -> bool:
    # True is 1 in Python, and nobody means it.
    return type(value) is type(given) and value == given if _flag(value, given) else bool(value == given)


def _flag(*values: Any) -> bool:
    return any(isinstance(value, bool) for value in values)


def _orderable(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return number or isinstance(value, str)


def _within(value: Any, low: Any, high: Any) -> bool:
    """Both ends included."""
    if not _orderable(value):
        return False
    bounds = [bound for bound in (low, high) if bound is not None]
    if any(isinstance(bound, str) != isinstance(value, str) for bound in bounds):
        return False
    return (low is None or low <= value) and (high is None or value <= high)
