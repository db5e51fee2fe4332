"""`prompt-worker prompts list`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command
from prompt_worker.commands.prompts.acting import EXTRA


def add(commands: Commands) -> None:
    listing = add_command(
        commands, "list", _list, "every prompt of the registry, with what is served of it", extra=EXTRA
    )
    listing.add_argument("--json", action="store_true", help="print one JSON object per line")


def _list(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.prompts.reports.rows import print_rows
    from prompt_worker.prompts.authoring.reading.listing import Listed, list_prompts

    def style(row: Listed) -> str:
        return "bold red" if row.blocked else "dim" if row.production is None else ""

    print_rows(
        list_prompts(open_session("prompts")),
        columns=Listed.__struct_fields__,
        as_json=options.json,
        nothing="no prompts: 'prompt-worker prompts create' or 'push' makes one",
        style=style,
    )
    return 0
