"""`prompt-worker prompts history`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command, count, open_console
from prompt_worker.commands.prompts.acting import EXTRA


def add(commands: Commands) -> None:
    history = add_command(
        commands,
        "history",
        _history,
        "who did what, when and why, the newest first; exit code 1 when the history was tampered with",
        extra=EXTRA,
    )
    history.add_argument(
        "name", metavar="NAME", nargs="?", help="only of this prompt (default: of all that owners change)"
    )
    history.add_argument(
        "--limit", type=count, default=50, metavar="N", help="print at most N (default: 50; 0: all)"
    )
    history.add_argument("--json", action="store_true", help="print one JSON object per line")


def _history(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.prompts.reports.history import print_chain
    from prompt_worker.commands.prompts.reports.rows import print_rows
    from prompt_worker.prompts.authoring.reading.history import Entry, history, verify_chain

    session = open_session("prompts")
    styles = {"activated": "green", "deactivated": "dim", "blocked": "bold red", "unblocked": "green"}

    def style(row: Entry) -> str:
        return styles.get(row.action, "")

    print_rows(
        history(session, options.name, limit=options.limit),
        columns=("at", "who", "action", "kind", "subject", "version", "reason"),
        as_json=options.json,
        nothing="nothing was done yet"
        + ("" if options.name is None else ", or there is no prompt of this name"),
        style=style,
    )
    return print_chain(verify_chain(session), open_console(stderr=True))
