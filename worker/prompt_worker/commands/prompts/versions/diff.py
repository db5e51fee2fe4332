"""`prompt-worker prompts diff`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command, open_console
from prompt_worker.commands.prompts.acting import EXTRA, version_number


def add(commands: Commands) -> None:
    diff = add_command(
        commands,
        "diff",
        _diff,
        "what differs between two versions; exit code 1 when something does",
        details="By default between the version in production and the newest one.",
        extra=EXTRA,
    )
    diff.add_argument("name", metavar="NAME", help="the prompt's name, such as tutor/hints")
    diff.add_argument(
        "before", metavar="VERSION", type=version_number, nargs="?", help="default: the one in production"
    )
    diff.add_argument("after", metavar="VERSION", type=version_number, nargs="?", help="default: the newest")
    diff.add_argument("--json", action="store_true", help="print a JSON object for each part that differs")


def _diff(options: argparse.Namespace) -> int:
    import msgspec

    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.prompts.reports.changes import print_changes
    from prompt_worker.commands.terminal.printable import printable
    from prompt_worker.prompts.authoring.reading.profile import two_versions
    from prompt_worker.prompts.authoring.releases.gate.difference import difference

    session, console = open_session("prompts"), open_console()
    before, after = two_versions(session, options.name, options.before, options.after)
    changes = difference(None if before is None else before.readable(), after.readable())
    if options.json:
        for change in changes:
            print(msgspec.json.encode(change).decode())
    else:
        first = "nothing" if before is None else f"version {before.version}"
        same = "" if changes else ": no difference"
        console.print(f"{printable(after.name)}: {first} and version {after.version}{same}", style="bold")
        print_changes(console, changes)
    return 1 if changes else 0
