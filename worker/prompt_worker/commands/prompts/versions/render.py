"""`prompt-worker prompts render`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompt_worker.commands.command import Commands, add_command
from prompt_worker.commands.prompts.acting import EXTRA

if TYPE_CHECKING:
    from prompt_worker.prompts.prompt import Rendered


def add(commands: Commands) -> None:
    render = add_command(
        commands,
        "render",
        _render,
        "print a prompt of the registry or of a folder as a model would get it",
        details="A text is printed byte for byte, a chat as JSON.",
        extra=EXTRA,
    )
    render.add_argument("name", metavar="NAME", help="the prompt's name, such as tutor/hints")
    render.add_argument(
        "--folder", type=Path, help="the folder of *.prompt files (default: the registry in DATABASE_URL)"
    )
    render.add_argument(
        "--var", action="append", default=[], type=_text, metavar="NAME=TEXT", help="a variable; repeatable"
    )
    render.add_argument(
        "--json",
        dest="var",
        action="append",
        type=_json,
        metavar="NAME=JSON",
        help="a variable that is no text, such as interests='[\"football\"]'; repeatable",
    )
    render.add_argument("--version", type=int, metavar="N", help="one of its versions (default: the active)")
    render.add_argument("--language", metavar="TAG", help="such as de-AT (default: the prompt's own)")


def _text(given: str) -> tuple[str, Any]:
    name, sign, value = given.partition("=")
    if not sign or not name:
        raise argparse.ArgumentTypeError("expected NAME=VALUE")
    return name, value


def _json(given: str) -> tuple[str, Any]:
    name, value = _text(given)
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        raise argparse.ArgumentTypeError(f"the value of {name} is not JSON") from None


def _render(options: argparse.Namespace) -> int:
    rendered = _rendered(options)
    # Not `print`: the text ends where it ends.
    sys.stdout.write(rendered.text if rendered.messages is None else _as_json(rendered.messages))
    return 0


def _rendered(options: argparse.Namespace) -> Rendered:
    if options.folder is None:
        from prompt_worker.commands.database import open_session
        from prompt_worker.prompts.authoring.reading.rendering import render

        session = open_session("prompts")
        return render(session, options.name, options.version, options.language, dict(options.var))
    from prompt_worker.prompts.folder.reading import read_folder
    from prompt_worker.prompts.snapshot.snapshot import Snapshot

    read = read_folder(options.folder, locked=False)
    snapshot = Snapshot.build(read.stored, refused=read.refused)
    return snapshot.find(options.name, options.version, options.language).render(dict(options.var))


def _as_json(messages: list[dict[str, Any]]) -> str:
    return json.dumps(messages, ensure_ascii=False, indent=1) + "\n"
