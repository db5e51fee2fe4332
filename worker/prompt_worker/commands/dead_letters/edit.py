"""`prompt-worker dead-letters edit`, `discard` and `purge`."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from prompt_worker.commands.dead_letters.filters import add_filters, filter_of
from prompt_worker.commands.operator import (
    Commands,
    add_by,
    add_command,
    add_confirmation,
    open_console,
    open_session,
    who,
)

if TYPE_CHECKING:
    from prompt_worker.deadletters.ending import Ended

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def add_edit(commands: Commands[argparse.ArgumentParser]) -> None:
    """Each sets `command` to a function of its options."""
    edit = add_command(commands, "edit", _edit, "a corrected copy, replayed instead of the original")
    edit.add_argument("id", metavar="ID", type=UUID, help="of the dead letter")
    edit.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", type=_assignment)
    edit.add_argument("--unset", action="append", default=[], metavar="FIELD")
    edit.add_argument("--file", type=Path, metavar="FILE", help="the whole body (default: opened in $EDITOR)")
    edit.add_argument("--reveal", action="store_true", help="show texts in the difference")
    add_by(edit)

    discard = add_command(commands, "discard", _discard, "give dead letters up")
    add_filters(discard)
    discard.add_argument("--because", required=True, metavar="TEXT", help="why; kept with each of them")
    add_confirmation(discard, "discard them")
    discard.add_argument("--json", action="store_true", help="print a JSON object")

    purge = add_command(commands, "purge", _purge, "delete what was resolved or discarded long ago")
    add_filters(purge)
    purge.add_argument("--older-than", type=_age, required=True, metavar="AGE", help="such as 30d, 12h")
    add_confirmation(purge, "delete them")
    purge.add_argument("--json", action="store_true", help="print a JSON object")


def _edit(options: argparse.Namespace) -> int:
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
        open_session(),
        options.id,
        in_editor if by_hand else correct,
        by=who(options),
        reveal=options.reveal,
        console=open_console(),
    )


def _discard(options: argparse.Namespace) -> int:
    from prompt_worker.deadletters.ending import discard

    ended = discard(
        open_session(),
        filter_of(options),
        options.because,
        yes=options.yes,
        by=who(options),
        console=open_console(stderr=options.json),
    )
    return _report(ended, as_json=options.json)


def _purge(options: argparse.Namespace) -> int:
    from prompt_worker.deadletters.ending import purge

    ended = purge(
        open_session(),
        filter_of(options),
        options.older_than,
        yes=options.yes,
        by=who(options),
        console=open_console(stderr=options.json),
    )
    return _report(ended, as_json=options.json)


def _report(ended: Ended, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(asdict(ended)))
    return 130 if ended.stopped else 0


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text}: FIELD=VALUE is wanted")
    return name, value


def _age(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([mhdw])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text}: a number and m, h, d or w are wanted, such as 30d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
