"""Whether the chain of the history is whole."""

from __future__ import annotations

import sys

from rich.console import Console

from prompt_worker.prompts.authoring.reading.history import Chain

_SHOWN = 5


def print_chain(chain: Chain, console: Console) -> int:
    """The exit code: 1 where it is broken."""
    # It is about what was printed.
    sys.stdout.flush()
    if chain.is_whole:
        how = "" if chain.is_recomputed else "; only its links, as prompt_text_reader sees what was changed"
        console.print(
            f"nothing in it was changed or removed: the chain of {chain.rows:,} rows is whole{how}",
            style="dim",
        )
        return 0
    rows = ", ".join(map(str, chain.broken[:_SHOWN])) + ", …" * (len(chain.broken) > _SHOWN)
    broken = (
        f"rows {rows} were changed, or rows before them removed" if chain.broken else "its end is missing"
    )
    console.print(f"the history was tampered with: {broken}", style="bold red")
    return 1
