"""What a request asks for: its query or its form as a struct, checked field by field."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeVar, get_args
from urllib.parse import parse_qsl

import msgspec

# Bytes of a form; the longest text in one is a reason.
FORM_BYTES = 100_000
_FIELDS = 50
# As browsers send a time whose seconds are 0.
_TO_THE_MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
Asked = TypeVar("Asked", bound=msgspec.Struct)


class BadRequestError(Exception):
    """Says which field is wrong, and holds nothing of what was sent."""


def read(pairs: Iterable[tuple[str, str]], into: type[Asked]) -> Asked:
    """Fields that are empty are not given; of several the last counts. Times are UTC, also those without an offset.

    Raises `BadRequestError`.
    """
    given = {name: value for name, value in pairs if value.strip()}
    for name, value in given.items():
        if "\0" in value:
            raise BadRequestError(f"{_known(name, into)} holds a character that no text here has")
    times = [name for name in _times(into) if name in given]
    for name in times:
        if _TO_THE_MINUTE.fullmatch(given[name]):
            given[name] += ":00"
    try:
        found = msgspec.convert(given, into, strict=False)
        for name in times:
            setattr(found, name, _utc(getattr(found, name)))
    except msgspec.ValidationError as error:
        raise BadRequestError(_explained(error)) from None
    except (ValueError, OverflowError):
        raise BadRequestError(f"{' or '.join(times)} is no time that a calendar has") from None
    for name in into.__struct_fields__:
        # To the library the word null is nothing, and a filter that is nothing finds all.
        if name in given and getattr(found, name) is None:
            raise BadRequestError(f"`{name}` cannot be null")
    return found


def form_pairs(body: bytes) -> list[tuple[str, str]]:
    """Raises `BadRequestError`."""
    try:
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError:
        raise BadRequestError("the form cannot be read") from None


def _times(into: type[msgspec.Struct]) -> list[str]:
    return [
        each.name
        for each in msgspec.structs.fields(into)
        if each.type is datetime or datetime in get_args(each.type)
    ]


def _utc(at: datetime | None) -> datetime | None:
    """Raises `OverflowError` for one that is before or after all years there."""
    if at is None:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _explained(error: msgspec.ValidationError) -> str:
    """Without the value that it quotes."""
    text = re.sub(r"^Invalid enum value .*(?= - at )", "Invalid choice", str(error), flags=re.DOTALL)
    return text.replace("`$.", "`").replace("$.", "")


def _known(name: str, into: type[Asked]) -> str:
    return name if name in into.__struct_encode_fields__ else "a field"
