"""The saved inputs of a prompt."""

from __future__ import annotations

import json

import msgspec

from prompt_worker.commands.command import open_console
from prompt_worker.commands.terminal.printable import printable, printable_time
from prompt_worker.prompts.authoring.releases.saved_cases import Cases, Saved

# Characters of a case's variables on its line.
_LENGTH = 200


def print_cases(name: str, found: Cases, *, as_json: bool) -> None:
    if as_json:
        for case in found.cases:
            print(msgspec.json.encode(case).decode())
        return
    console = open_console()
    if not found.cases:
        console.print(f"{printable(name)} has no saved cases: --add or --from-execution saves one")
    for case in found.cases:
        console.print(f"case {case.id}, {_origin(case)}", style="bold")
        if case.note:
            console.print(f"  {printable(case.note)}")
        console.print(f"  {_shortened(printable(json.dumps(case.variables, ensure_ascii=False)))}")
    if found.cases and not found.shown:
        console.print("this login sees their shape, not the texts: prompt_text_reader sees them", style="dim")


def _origin(case: Saved) -> str:
    by = f"saved by {printable(case.created_by)} at {printable_time(case.created_at)}"
    source = f", from execution {case.execution}" if case.execution is not None else ""
    language = f", in {printable(case.language)}" if case.language else ""
    return f"{by}{source}{language}"


def _shortened(text: str) -> str:
    return text if len(text) <= _LENGTH else f"{text[:_LENGTH]}… (--json has all of it)"
