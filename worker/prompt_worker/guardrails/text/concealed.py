"""What holds somebody's text and shows nothing of it, in whatever log or error it ends."""

from typing import Any


class Concealed:
    """Mixed into a struct."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []
