"""What a request asks for: its query or its form as a struct, checked field by field."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec

# Bytes of a form; the longest text in one is a reason.
FORM_BYTES = 100_000
_FIELDS = 50
Asked = TypeVar("Asked", bound=msgspec.Struct)


class BadRequestError(Exception):
    """Says which field is wrong, and holds nothing of what was sent."""


def read(pairs: Iterable[tuple[str, str]], into: type[Asked]) -> Asked:
    """Fields that are empty are not given; of several the last counts. Raises `BadRequestError`."""
    given = {name: value for name, value in pairs if value.strip()}
    for name, value in given.items():
        if "\0" in value:
            raise BadRequestError(f"{_known(name, into)} holds a character that no text here has")
    try:
        return msgspec.convert(given, into, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequestError(str(error).replace("`$.", "`").replace("$.", "")) from None


def form_pairs(body: bytes) -> list[tuple[str, str]]:
    """Raises `BadRequestError`."""
    try:
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError:
        raise BadRequestError("the form cannot be read") from None


def _known(name: str, into: type[Asked]) -> str:
    return name if name in into.__struct_encode_fields__ else "a field"
