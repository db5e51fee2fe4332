"""Rules of a name: which version a context gets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from prompt_worker.prompts.content import canonical_json
from prompt_worker.prompts.registry.document import DocumentError, Rule

Test = Callable[[Any], bool]
_NUMBERS = (int, float)
_PLAIN = (str, int, float, type(None))


class Condition(NamedTuple):
    """What the context has to be; `same` is equal for equal ones."""

    same: str
    tests: tuple[tuple[str, Test], ...]

    def holds(self, context: Mapping[str, Any]) -> bool:
        """Every key of it must be in `context`. One of another kind than the rule's is none that fits."""
        return all(key in context and test(context[key]) for key, test in self.tests)


def condition(rule: Rule) -> Condition:
    """Raises `DocumentError` for one that cannot be used."""
    try:
        tests = tuple((key, _test(given)) for key, given in rule.when.items())
        return Condition(canonical_json(rule.when), tests)
    # An integer of hundreds of digits is no float, and what is nested deeply has no end.
    except (OverflowError, ValueError, RecursionError):
        raise DocumentError("its rules cannot be read: a number or a list in them is too large") from None


def _test(given: Any) -> Test:
    if not isinstance(given, dict):
        return lambda value: _equal(value, given)
    if given.keys() == {"in"} and isinstance(given["in"], list):
        several = given["in"]
        return lambda value: any(_equal(value, each) for each in several)
    if given and given.keys() <= {"from", "to"}:
        bounds = list(given.values())
        if all(type(bound) in _NUMBERS and math.isfinite(bound) for bound in bounds):
            low, high = given.get("from", -math.inf), given.get("to", math.inf)
            # True is a number in Python; NaN is within nothing.
            return lambda value: type(value) in _NUMBERS and low <= value <= high
        if all(type(bound) is str for bound in bounds):
            first, last = given.get("from", ""), given.get("to")
            return lambda value: type(value) is str and first <= value and (last is None or value <= last)
    raise DocumentError("its rules cannot be read: a condition is a value, in, or from and to")


def _equal(value: Any, given: Any) -> bool:
    # True is 1 in Python, and nobody means it.
    if isinstance(value, bool) or isinstance(given, bool):
        return value is given
    if isinstance(given, list):
        same_length = isinstance(value, list) and len(value) == len(given)
        return same_length and all(map(_equal, value, given))
    # Only what JSON has: an object of the service's own may raise anything when it is compared.
    return isinstance(value, _PLAIN) and value == given
