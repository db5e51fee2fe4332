"""`prompt-worker dead-letters edit`."""

from __future__ import annotations

import argparse
from pathlib import Path
from uuid import UUID

from prompt_worker.commands.command import Commands, add_by, add_command, open_console, who


def add(commands: Commands) -> None:
    edit = add_command(commands, "edit", _edit, "a corrected copy, replayed instead of the original")
    edit.add_argument("id", metavar="ID", type=UUID, help="of the dead letter")
    edit.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", type=_assignment)
    edit.add_argument("--unset", action="append", default=[], metavar="FIELD")
    edit.add_argument("--file", type=Path, metavar="FILE", help="the whole body (default: opened in $EDITOR)")
    edit.add_argument("--reveal", action="store_true", help="show texts in the difference")
    add_by(edit)


def _edit(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.deadletters.correction import CorrectionError, corrected
    from prompt_worker.deadletters.editing import edit, in_editor

    def correct(body: bytes) -> bytes:
        if not options.file:
            return corrected(body, dict(options.set), options.unset)
        try:
            return bytes(options.file.read_bytes())
        except OSError as error:
            raise CorrectionError(f"--file {options.file}: {error.strerror}") from None

    if options.file and (options.set or options.unset):
        raise CorrectionError("--file is the whole body: leave --set and --unset away")
    by_hand = not (options.file or options.set or options.unset)
    return edit(
        open_session("dead-letters"),
        options.id,
        in_editor if by_hand else correct,
        by=who(options),
        reveal=options.reveal,
        console=open_console(),
    )


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text}: FIELD=VALUE is wanted")
    return name, value
