"""The filters and tests that a template may use; each pays for what it reads and what it makes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Literal, cast

from jinja2 import filters as jinja
from jinja2.tests import TESTS as JINJA_TESTS
from jinja2.utils import pass_context

from prompt_worker.prompts.template import operators
from prompt_worker.prompts.template.bounds import OUTPUT_LIMIT, BoundedContext, LimitError, within_limit
from prompt_worker.prompts.template.output import Absent, text

_INDENT_LIMIT = 100
_DIGITS = 15


def _join(values: Any, separator: str = "") -> str:
    """As `{{ }}` prints each: None is nothing, a nested list an error."""
    parts = [text(value) for value in values]
    if sum(map(len, parts)) + len(separator) * len(parts) > OUTPUT_LIMIT:
        raise LimitError(f"it makes a text of more than {OUTPUT_LIMIT:,} characters")
    return text(separator).join(parts)


def _replace(value: Any, old: str, new: str, count: int = -1) -> str:
    source = text(value)
    found = source.count(old) if count < 0 else min(count, source.count(old))
    if len(source) + found * len(new) > OUTPUT_LIMIT:
        raise LimitError(f"it makes a text of more than {OUTPUT_LIMIT:,} characters")
    return source.replace(old, new, count)


def _indent(value: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    prefix = width if isinstance(width, str) else " " * min(width, _INDENT_LIMIT)
    lines = text(value).split("\n")
    if sum(map(len, lines)) + len(lines) * len(prefix) > OUTPUT_LIMIT:
        raise LimitError(f"it makes a text of more than {OUTPUT_LIMIT:,} characters")
    return "\n".join(
        f"{prefix}{line}" if (line or blank) and (at or first) else line for at, line in enumerate(lines)
    )


def _to_json(value: Any, indent: int | None = None) -> str:
    """JSON as a model reads it best: letters as they are, keys in their order. An absent variable is null."""
    if isinstance(value, Absent):
        value = None
    if indent is None:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=min(max(indent, 0), 8))
    # Piece by piece: what is deep is mostly blanks.
    return "".join(within_limit(encoder.iterencode(value)))


def _sum(values: Iterable[Any]) -> float:
    """Of numbers alone: a sum of lists grows with the square of their number."""
    numbers = list(values)
    if not all(isinstance(number, (int, float)) for number in numbers):
        raise TypeError("sum")
    total: float = sum(numbers)
    return total


def _length(value: Any) -> int:
    return len(value) if hasattr(value, "__len__") else len(list(value))


def _truncate(value: Any, length: int = 255, killwords: bool = False, end: str = "…") -> str:
    """At most `length` characters, `end` included; between words unless `killwords`."""
    source = text(value)
    if len(source) <= length:
        return source
    kept = source[: max(0, length - len(end))]
    return (kept if killwords else kept.rsplit(" ", 1)[0]) + end


def _round(value: float, precision: int = 0, method: Literal["common", "ceil", "floor"] = "common") -> float:
    return jinja.do_round(value, min(max(precision, -_DIGITS), _DIGITS), method)


def _of_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, given what `{{ }}` would print: Jinja's own would read None as a word, and a list as Python's."""

    def filtered(value: Any, *arguments: Any, **named: Any) -> Any:
        return function(text(value), *arguments, **named)

    return filtered


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, as a filter or a test that pays for what it is given and for what it returns."""
    passed = getattr(function, "jinja_pass_arg", None)
    before: Callable[[BoundedContext], tuple[Any, ...]]
    if passed is None:
        before = _nothing
    else:
        before = {"context": _context, "eval_context": _eval_context, "environment": _environment}[
            passed.name
        ]

    @pass_context
    def bounded(context: BoundedContext, value: Any, *arguments: Any, **named: Any) -> Any:
        budget = context.budget
        budget.weigh(value)
        for argument in arguments:
            budget.weigh(argument)
        made = function(*before(context), value, *arguments, **named)
        return budget.weigh(made) if type(made) in (str, list, tuple, dict) else made

    return bounded


def _nothing(_: BoundedContext) -> tuple[Any, ...]:
    return ()


def _context(context: BoundedContext) -> tuple[Any, ...]:
    return (context,)


def _eval_context(context: BoundedContext) -> tuple[Any, ...]:
    return (context.eval_ctx,)


def _environment(context: BoundedContext) -> tuple[Any, ...]:
    return (context.environment,)


_OWN: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "capitalize": _of_text(jinja.do_capitalize),
    "count": _length,
    "d": jinja.do_default,
    "default": jinja.do_default,
    "dictsort": jinja.do_dictsort,
    "first": jinja.sync_do_first,
    "float": jinja.do_float,
    "indent": _indent,
    "int": jinja.do_int,
    "items": jinja.do_items,
    "join": _join,
    "last": jinja.do_last,
    "length": _length,
    "list": jinja.sync_do_list,
    "lower": _of_text(jinja.do_lower),
    "map": jinja.sync_do_map,
    "max": jinja.do_max,
    "min": jinja.do_min,
    "reject": jinja.sync_do_reject,
    "rejectattr": jinja.sync_do_rejectattr,
    "replace": _replace,
    "reverse": jinja.do_reverse,
    "round": _round,
    "select": jinja.sync_do_select,
    "selectattr": jinja.sync_do_selectattr,
    "sort": jinja.do_sort,
    "string": text,
    "sum": _sum,
    "title": _of_text(jinja.do_title),
    "tojson": _to_json,
    "trim": _of_text(jinja.do_trim),
    "truncate": _truncate,
    "unique": jinja.do_unique,
    "upper": _of_text(jinja.do_upper),
    "wordcount": _of_text(jinja.do_wordcount),
}
NAMES = frozenset(_OWN)

# No template can write a name with a space: these take the place of operators and calls.
CONCATENATE, RANGE, LOOP, WEIGH, METHOD = " concatenate", " range", " loop", " weigh", " method"
FILTERS: dict[str, Callable[..., Any]] = {
    **{name: _bounded(function) for name, function in _OWN.items()},
    CONCATENATE: operators.concatenate,
    RANGE: operators.count_out,
    LOOP: operators.pay_for_loop,
    WEIGH: operators.weigh,
    METHOD: operators.call_method,
}
TESTS = {
    name: _bounded(cast(Callable[..., Any], JINJA_TESTS[name]))
    for name in (
        "boolean", "defined", "divisibleby", "eq", "equalto", "even", "false", "float", "ge", "greaterthan", "gt",
        "in", "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping", "ne", "none", "number", "odd",
        "sequence", "string", "true", "undefined", "upper", "==", "!=", ">", ">=", "<", "<=",
    )
}  # fmt: skip
