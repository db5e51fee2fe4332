"""A console for commands; apart from `command`, so that a command without one does not load rich."""

from __future__ import annotations

from typing import NoReturn

from rich.console import Console


class PlainConsole(Console):
    """Leaves it to the command line what a closed pipe means; rich itself would exit with 1."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError
