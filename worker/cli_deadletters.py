"""The command line of `prompt-worker dead-letters`; what the commands need is loaded when one runs."""

from __future__ import annotations

import argparse

from worker.cli_replay import add_replay


def add_dead_letters(parser: argparse.ArgumentParser) -> None:
    """Its sub-commands; each sets `command` to a function of its options."""
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add_replay(commands)
