"""`prompt-worker prompts cases`."""

from __future__ import annotations

import argparse
from pathlib import Path
from uuid import UUID

from prompt_worker.commands.command import Commands, add_command, open_console
from prompt_worker.commands.prompts.acting import EXTRA, actor_of, add_actor
from prompt_worker.commands.prompts.json_file import read_json


def add(commands: Commands) -> None:
    cases = add_command(
        commands,
        "cases",
        _cases,
        "inputs that are kept to try each version on before it is activated: list, save or remove them",
        details="Without an option it lists them; whoever may not read what users wrote sees their shape.",
        extra=EXTRA,
    )
    add = cases.add_argument
    add("name", metavar="NAME", help="the prompt's name, such as tutor/hints")
    change = cases.add_mutually_exclusive_group()
    change.add_argument(
        "--add", type=Path, metavar="FILE", help="save the variables in a JSON file, or in standard input (-)"
    )
    change.add_argument(
        "--from-execution", type=_id, metavar="ID", help="save what an execution of this prompt was given"
    )
    change.add_argument("--remove", type=_number, metavar="N", help="remove the case with this number")
    add("--note", metavar="TEXT", help="what it tries, shown where it fails")
    add("--language", metavar="TAG", help="of --add: render it in this language, such as de-AT")
    add("--json", action="store_true", help="print one JSON object per case")
    add_actor(cases)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: expected the id of an execution") from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 19):
        raise argparse.ArgumentTypeError(f"{text}: expected the number of a case")
    return int(text)


def _cases(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.prompts.reports.cases import print_cases
    from prompt_worker.commands.terminal.printable import printable
    from prompt_worker.prompts.authoring.naming import BadNameError
    from prompt_worker.prompts.authoring.releases import saved_cases

    saves = options.add is not None or options.from_execution is not None
    if (options.note is not None and not saves) or (options.language is not None and options.add is None):
        raise BadNameError("--note belongs to --add or --from-execution, --language to --add")
    name, note = options.name, options.note
    # A character has up to four bytes.
    variables = read_json(options.add, 4 * saved_cases.SIZE_LIMIT) if options.add is not None else None
    session, actor, console = open_session("prompts"), actor_of(options), open_console()
    if options.remove is not None:
        saved_cases.remove_case(session, actor, name, options.remove)
        console.print(f"case {options.remove} of {printable(name)} is removed")
    elif options.from_execution is not None:
        number = saved_cases.import_case(session, actor, name, options.from_execution, note=note)
        console.print(f"case {number} of {printable(name)} is saved: each version is tried on it")
    elif options.add is not None:
        number = saved_cases.save_case(session, actor, name, variables, language=options.language, note=note)
        console.print(f"case {number} of {printable(name)} is saved: each version is tried on it")
    else:
        print_cases(name, saved_cases.list_cases(session, name), as_json=options.json)
    return 0
