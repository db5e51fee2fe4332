"""A JSON file that a command is given, or standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from prompt_worker.commands.terminal.printable import printable


def read_json(path: Path, limit: int) -> Any:
    """What is in it, of at most `limit` bytes; `-` is standard input.

    Raises `FolderError` where it cannot be read, `NotJsonError` for what is no JSON.
    """
    import msgspec

    from prompt_worker.prompts.authoring.storable import NotJsonError
    from prompt_worker.prompts.errors import FolderError

    try:
        if str(path) == "-":
            raw = sys.stdin.buffer.read(limit + 1)
        else:
            with path.open("rb") as file:
                raw = file.read(limit + 1)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "not a path"
        raise FolderError(f"cannot read {printable(path)}: {said}") from None
    if len(raw) > limit:
        raise NotJsonError(f"{printable(path)} has more than {limit:,} bytes")
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotJsonError(f"{printable(path)} is not JSON: {error}") from None
