"""`prompt-worker dead-letters edit`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from prompt_worker.commands.command import Commands, add_by, add_command, open_console, who

if TYPE_CHECKING:
    from prompt_worker.deadletters.editing import Original

_FILE = {"prefix": "dead-letter-", "suffix": ".json"}


def add(commands: Commands) -> None:
    edit = add_command(
        commands, "edit", _edit, "save a corrected copy of a dead letter, replayed instead of the original"
    )
    edit.add_argument("id", metavar="ID", type=UUID, help="the dead letter's id")
    edit.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        type=_assignment,
        help="set this field; can be repeated",
    )
    edit.add_argument(
        "--unset", action="append", default=[], metavar="FIELD", help="remove this field; can be repeated"
    )
    edit.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help="take the whole body from FILE (default: open it in $EDITOR)",
    )
    edit.add_argument("--reveal", action="store_true", help="show prompt texts in the difference")
    add_by(edit)


def _edit(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.terminal.editor import save_privately
    from prompt_worker.commands.terminal.printable import printable_lines
    from prompt_worker.deadletters.correction import CorrectionError, difference
    from prompt_worker.deadletters.editing import edit, find_original
    from prompt_worker.platform.failures import DeploymentError

    if options.file and (options.set or options.unset):
        raise CorrectionError("--file gives the whole body: leave out --set and --unset")
    by_hand = not (options.file or options.set or options.unset)
    session, console = open_session("dead-letters"), open_console()
    original = find_original(session, options.id)
    body = _edited(original.payload) if by_hand else _corrected(original, options)
    if body == original.payload:
        console.print("nothing changed, nothing saved")
        return 0
    try:
        edited = edit(session, original, body, by=who(options))
    except (CorrectionError, DeploymentError) as error:
        if not by_hand:
            raise
        raise type(error)(
            f"{error}. Your text is in {save_privately(body, **_FILE)}: pass it with --file"
        ) from None
    for line in difference(original.payload, body, reveal=options.reveal, kind=original.kind):
        console.print(printable_lines(line))
    console.print(f"saved as {edited.copy}; it will be replayed instead of {original.id}")
    return 0


def _edited(body: bytes) -> bytes:
    """The body itself where the user left it as it was shown."""
    from prompt_worker.commands.terminal.editor import edit_by_hand
    from prompt_worker.deadletters.correction import pretty

    offered = pretty(body).encode()
    written = edit_by_hand(offered, otherwise="give --set FIELD=VALUE or --file FILE", **_FILE)
    return body if written == offered else written


def _corrected(original: Original, options: argparse.Namespace) -> bytes:
    from prompt_worker.deadletters.correction import CorrectionError, corrected

    if not options.file:
        return corrected(original.payload, dict(options.set), options.unset, original.kind)
    try:
        return bytes(options.file.read_bytes())
    except OSError as error:
        raise CorrectionError(f"--file {options.file}: {error.strerror}") from None


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text}: expected FIELD=VALUE")
    return name, value
