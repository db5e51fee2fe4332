"""How a value becomes text, wherever it does: None is nothing, true is JSON's, a list or an object is an error."""

from __future__ import annotations

from typing import Any

from jinja2.runtime import Undefined


class BareValueError(Exception):
    """A list or an object where a text is needed."""


class Absent(Undefined):
    """An optional variable that was not given: false, empty, replaced by `default`; its attributes are errors."""

    __slots__ = ()


def text(value: Any) -> str:
    """The text of a JSON value. Raises `BareValueError`, and UndefinedError for what does not exist."""
    kind = type(value)
    if kind is str:
        made: str = value
    elif value is None:
        made = ""
    elif kind is bool:
        made = "true" if value else "false"
    elif kind is int or kind is float or isinstance(value, Undefined):
        made = str(value)
    else:
        raise BareValueError("it prints a list or an object: use join or tojson")
    return made
