"""`prompt-worker prompts export` and `import`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_worker.commands.command import Commands, add_command
from prompt_worker.commands.prompts.acting import EXTRA, actor_of, add_actor

if TYPE_CHECKING:
    from prompt_worker.prompts.authoring.versions.bundle import Wanted


def add(commands: Commands) -> None:
    export = add_command(
        commands,
        "export",
        _export,
        "write prompts to standard output, to be imported in another environment",
        extra=EXTRA,
    )
    export.add_argument(
        "name", metavar="NAME[@VERSION]", nargs="*", help="only these (default: all that is in production)"
    )
    import_ = add_command(
        commands,
        "import",
        _import,
        "show what an export would add here; with --yes, save it as versions that are not active",
        extra=EXTRA,
    )
    import_.add_argument(
        "file", metavar="FILE", type=Path, help="what 'export' wrote, or - to read standard input"
    )
    import_.add_argument("--yes", action="store_true", help="actually do it (default: dry run)")
    import_.add_argument("--diff", action="store_true", help="show what differs from the version before")
    import_.add_argument("--json", action="store_true", help="print one JSON object per prompt")
    add_actor(import_)


def _export(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.prompts.authoring.versions.bundle import encode, export

    sys.stdout.write(
        encode(export(open_session("prompts"), [_wanted(text) for text in options.name])).decode()
    )
    return 0


def _wanted(text: str) -> Wanted:
    from prompt_worker.prompts.authoring.versions.bundle import Wanted

    name, sign, version = text.rpartition("@")
    number = version.isascii() and version.isdecimal() and len(version) < 10
    return Wanted(name, int(version)) if sign and number else Wanted(text, None)


def _import(options: argparse.Namespace) -> int:
    from prompt_worker.commands.command import open_console
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.prompts.reports.checks import print_checked
    from prompt_worker.commands.prompts.reports.folder import print_differences
    from prompt_worker.commands.prompts.reports.saving import print_planned
    from prompt_worker.commands.terminal.printable import printable
    from prompt_worker.prompts.authoring.versions.bundle import SIZE_LIMIT, decode
    from prompt_worker.prompts.authoring.versions.saving import propose, save
    from prompt_worker.prompts.errors import FolderError

    try:
        raw = sys.stdin.buffer.read(SIZE_LIMIT + 1) if str(options.file) == "-" else options.file.read_bytes()
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "not a path"
        raise FolderError(f"cannot read {printable(options.file)}: {said}") from None
    candidates = decode(raw)
    session, console = open_session("prompts"), open_console(stderr=options.json)
    proposal = propose(session, candidates)
    print_checked(console, proposal.checked)
    if not (options.yes and proposal.can_be_saved):
        print_planned(proposal.planned, as_json=options.json)
        if options.diff and not options.json:
            print_differences(session, proposal.planned)
        if proposal.can_be_saved:
            console.print("dry run: nothing saved; pass --yes to save it")
        return 0 if proposal.can_be_saved else 1
    print_planned(save(session, actor_of(options), proposal), as_json=options.json, done=True)
    return 0
