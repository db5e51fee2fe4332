"""`prompt-worker guardrails list`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command


def add(commands: Commands) -> None:
    add_command(
        commands, "list", _list, "what is active, and whether it can be used", extra="worker,guardrails"
    )


def _list(_: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.guardrails.tables import print_guardrails
    from prompt_worker.guardrails.recording.owners import list_guardrails

    return print_guardrails(list_guardrails(open_session("guardrails")))
