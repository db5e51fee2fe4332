"""Text from events and databases, made safe for a terminal."""

from __future__ import annotations

from datetime import UTC, datetime

_CONTROL = dict.fromkeys([*range(32), 127, *range(128, 160)], " ")
_CONTROL_IN_LINES = {code: " " for code in _CONTROL if chr(code) not in "\n\t"}


def printable(value: object) -> str:
    """The value on one line, without control characters; a time in ISO format and UTC, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value).translate(_CONTROL)


def printable_lines(text: str) -> str:
    """The text with its lines and tabs, but no other control character and no lone surrogate."""
    return text.translate(_CONTROL_IN_LINES).encode(errors="replace").decode()


def printable_time(value: datetime) -> str:
    """To the second, in UTC."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
