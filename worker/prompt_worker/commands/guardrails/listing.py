"""`prompt-worker guardrails list`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command


def add(commands: Commands) -> None:
    listing = add_command(
        commands,
        "list",
        _list,
        "what is active, and whether it can be used; exit code 1 when one cannot",
        extra="worker,guardrails",
    )
    listing.add_argument("--json", action="store_true", help="print one JSON object per line")


def _list(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.guardrails.tables import print_guardrails
    from prompt_worker.guardrails.recording.owners import list_guardrails

    return print_guardrails(list_guardrails(open_session("guardrails")), as_json=options.json)
