"""`prompt-worker prompts show`."""

from __future__ import annotations

import argparse
import sys

from prompt_worker.commands.command import Commands, add_command
from prompt_worker.commands.prompts.acting import EXTRA, version_number


def add(commands: Commands) -> None:
    show = add_command(
        commands,
        "show",
        _show,
        "everything about one version of a prompt, and what versions there are",
        extra=EXTRA,
    )
    show.add_argument("name", metavar="NAME", help="the prompt's name, such as tutor/hints")
    show.add_argument(
        "version",
        metavar="VERSION",
        type=version_number,
        nargs="?",
        help="default: the one in production, else the newest",
    )
    form = show.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a JSON object")
    form.add_argument("--file", action="store_true", help="print it as a *.prompt file, byte for byte")


def _show(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.prompts.reports.profile import print_profile
    from prompt_worker.prompts.authoring.reading.profile import profile
    from prompt_worker.prompts.folder.writing import write_file

    found = profile(open_session("prompts"), options.name, options.version)
    if options.file:
        version = found.version
        raw = write_file(version.readable(), description=version.description, category=version.category)
        sys.stdout.write(raw.decode())
    else:
        print_profile(found, as_json=options.json)
    return 0
