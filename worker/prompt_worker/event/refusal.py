"""Why the body of a message is no event, without any of its own text."""

from __future__ import annotations

import re

import msgspec


class InvalidEventError(ValueError):
    """Why an event cannot become a row; holds none of the event's own text.

    `error_class` groups causes: `invalid_json`, `invalid_utf8`, `invalid_field`, and for a publisher `too_large`.
    """

    def __init__(self, error_class: str, reason: str) -> None:
        super().__init__(reason)
        self.error_class = error_class


# What reading a body may raise.
UNREADABLE = (UnicodeDecodeError, msgspec.DecodeError, RecursionError)


def refusal(body: bytes, error: Exception) -> InvalidEventError:
    """The refusal for `error`, one of `UNREADABLE`, that reading `body` raised."""
    try:
        body.decode()
    except UnicodeDecodeError as unreadable:
        return InvalidEventError("invalid_utf8", f"not UTF-8: {unreadable.reason}, byte {unreadable.start}")
    if isinstance(error, msgspec.ValidationError):
        return InvalidEventError("invalid_field", _without_values(str(error)))
    if isinstance(error, RecursionError):
        return InvalidEventError("invalid_json", "objects or arrays nested too deeply")
    return InvalidEventError("invalid_json", f"not JSON: {error}")


def _without_values(message: str) -> str:
    # msgspec quotes a value that is not among the allowed ones; a value may be somebody's text, with " - at" in it.
    return re.sub(
        r"Invalid enum value .* - at", "Not one of the allowed values - at", message, flags=re.DOTALL
    )
