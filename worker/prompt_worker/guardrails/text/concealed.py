"""Structs that hold a user's text and show nothing of it, whatever log or error they end up in."""

from typing import Any


class Concealed:
    """Mixed into a struct; shows its name only."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []
