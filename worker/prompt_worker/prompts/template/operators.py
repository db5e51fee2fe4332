"""Operators and methods of templates, each with a bound on what it makes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from jinja2.runtime import LoopContext, Undefined
from jinja2.utils import pass_context

from prompt_worker.prompts.template.bounds import (
    INTEGER_LIMIT,
    NODE,
    OUTPUT_LIMIT,
    BoundedContext,
    LimitError,
    checked_text,
)
from prompt_worker.prompts.template.output import text

BOUNDED = frozenset({"+", "*", "**", "%"})
# Numbers that `range` gives at most.
_RANGE = 10_000
_EXPONENT = 64
_METHODS: dict[type, frozenset[str]] = {
    str: frozenset(
        {
            "capitalize", "count", "endswith", "find", "isalpha", "isdigit", "lower", "lstrip", "removeprefix",
            "removesuffix", "rstrip", "split", "splitlines", "startswith", "strip", "title", "upper",
        }
    ),
    list: frozenset({"count", "index"}),
    dict: frozenset({"get", "items", "keys", "values"}),
    LoopContext: frozenset({"changed", "cycle"}),
}  # fmt: skip
METHODS = frozenset().union(*_METHODS.values())


def binary(context: BoundedContext, sign: str, left: Any, right: Any) -> Any:
    """`left sign right`, of `BOUNDED`. Raises `LimitError`."""
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return _number(sign, left, right)
    if sign == "+":
        return _joined(context, left, right)
    if sign == "*":
        return _repeated(context, left, right)
    # `%` of a text is a format, which makes a gigabyte of "%1000000000d".
    raise TypeError(sign)


def _number(sign: str, left: float, right: float) -> float:
    if sign == "**" and not (abs(right) <= _EXPONENT and abs(left) <= INTEGER_LIMIT):
        raise LimitError("it raises a number to a power beyond its limits")
    calculate: Callable[[Any, Any], float] = {
        "+": operator.add,
        "*": operator.mul,
        "**": operator.pow,
        "%": operator.mod,
    }[sign]
    made = calculate(left, right)
    if isinstance(made, int) and abs(made) > INTEGER_LIMIT:
        raise LimitError(f"it makes a number beyond {INTEGER_LIMIT:,}")
    return made


def _joined(context: BoundedContext, left: Any, right: Any) -> Any:
    made = operator.add(left, right)
    if isinstance(made, str):
        return checked_text(made, context.budget)
    context.budget.spend(NODE * len(made))
    return made


def _repeated(context: BoundedContext, left: Any, right: Any) -> Any:
    value, number = (right, left) if isinstance(left, int) else (left, right)
    if not isinstance(value, (str, list)) or not isinstance(number, int):
        raise TypeError("*")
    if len(value) * number > OUTPUT_LIMIT:
        raise LimitError("it repeats a text or a list too often")
    context.budget.spend(max(0, len(value) * number) * (1 if isinstance(value, str) else NODE))
    return value * number


# The names that follow are those of filters, which no template can write.
@pass_context
def concatenate(context: BoundedContext, parts: list[Any]) -> str:
    """What `~` does."""
    return checked_text("".join(map(text, parts)), context.budget)


@pass_context
def count_out(context: BoundedContext, arguments: list[int]) -> list[int]:
    """What `range(...)` does."""
    numbers = range(*arguments)
    if len(numbers) > _RANGE:
        raise LimitError(f"it has a range of more than {_RANGE:,} numbers")
    context.budget.spend(NODE * len(numbers))
    return list(numbers)


@pass_context
def pay_for_loop(context: BoundedContext, values: Any, weight: int) -> Any:
    """The values of a `for`, once `weight` was spent for each of them."""
    # What a filter gives piece by piece: a list that is known to end.
    sized = values if hasattr(values, "__len__") else list(values)
    context.budget.spend(weight * len(sized))
    return sized


@pass_context
def weigh(context: BoundedContext, value: Any) -> Any:
    """A value that is compared or searched."""
    return context.budget.weigh(value)


@pass_context
def call_method(context: BoundedContext, target: Any, name: str, *arguments: Any) -> Any:
    """What `target.name(...)` does, of a few names. Raises TypeError for any other."""
    if isinstance(target, dict) and name in target and name not in _METHODS[dict]:
        raise TypeError(name)
    if name not in _METHODS.get(type(target), ()):
        if isinstance(target, Undefined):
            # Raises what says that it does not exist.
            str(context.environment.undefined(name=name))
        raise TypeError(name)
    if isinstance(target, LoopContext):
        return getattr(target, name)(*arguments)
    context.budget.weigh(target)
    context.budget.weigh(arguments)
    made = getattr(target, name)(*arguments)
    if name in ("items", "keys", "values"):
        made = list(made)
    return context.budget.weigh(made) if isinstance(target, str) else made
