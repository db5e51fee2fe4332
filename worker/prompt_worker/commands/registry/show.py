"""`prompt-worker registry show`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from prompt_worker.commands.command import Commands, add_command, open_console
from prompt_worker.commands.terminal.printable import printable

if TYPE_CHECKING:
    from prompt_worker.prompts.registry.document import Name

# Columns of the table where standard output is no terminal.
PIPED_WIDTH = 160


def add(commands: Commands) -> None:
    add_command(
        commands,
        "show",
        _show,
        "show the registry's revision, and for each prompt what services are given",
        extra="prompts,worker",
    )


def _show(_: argparse.Namespace) -> int:
    from rich.table import Table

    from prompt_worker.platform.settings import DatabaseSettings, read
    from prompt_worker.prompts.registry.exporting import read_registry

    document = read_registry(read(DatabaseSettings).url)
    console = open_console(wrap=True, piped_width=PIPED_WIDTH)
    console.print(
        f"registry {document.registry_id}, epoch {document.epoch}, revision {document.revision}; "
        f"{len(document.names):,} prompts, {len(document.versions):,} versions, {len(document.encode()):,} bytes; "
        f"sha256 {document.sha256()}"
    )
    table = Table(
        "prompt", "active", "labels", "rules", "blocked", box=None, padding=(0, 2, 0, 0), header_style="bold"
    )
    active = {each.name: each.version for each in document.versions if each.is_active}
    for name, about in sorted(document.names.items()):
        labels = ", ".join(f"{label} v{version}" for label, version in sorted(about.labels.items()))
        table.add_row(
            printable(name),
            f"v{active[name]}" if name in active else "none",
            printable(labels),
            _rules(about),
            printable(about.blocked),
        )
    console.print(table)
    return 0


def _rules(about: Name) -> str:
    """How many there are."""
    from prompt_worker.prompts.registry.document import DocumentError

    try:
        number = len(about.read_rules())
    except DocumentError:
        return "unreadable"
    return str(number) if number else ""
