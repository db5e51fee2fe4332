"""`prompt-worker prompts explain`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command
from prompt_worker.commands.prompts.acting import EXTRA


def add(commands: Commands) -> None:
    add_command(commands, "explain", _explain, "what would be served", extra=EXTRA)


def _explain(options: argparse.Namespace) -> int:
    return 0
