"""One dead letter, for people and for programs."""

from __future__ import annotations

import json

from rich.table import Table

from prompt_worker.commands.command import open_console
from prompt_worker.commands.terminal.printable import printable, printable_lines
from prompt_worker.deadletters.kinds import KINDS
from prompt_worker.deadletters.letter import Letter, shown

# Printed on their own, or of use to programs only.
_NOT_IN_TABLE = ("payload", "attributes", "actions", "cause", "event_key")


def print_letter(letter: Letter, *, reveal: bool, as_json: bool) -> None:
    payload = letter["payload"]
    event = shown(payload, reveal=reveal, kind=KINDS[letter["consumer"]])
    if as_json:
        print(json.dumps(letter | {"payload": event, "payload_bytes": len(payload)}, default=str))
        return
    console = open_console(piped_width=250)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in letter.items():
        if name not in _NOT_IN_TABLE and value is not None:
            table.add_row(name.replace("_", " "), printable(value))
    console.print(table)
    console.print("\nattributes", style="bold")
    for name, value in sorted(letter["attributes"].items()):
        console.print(f"  {printable(name)}: {printable(value)}")
    for action in letter["actions"]:
        line = " ".join(
            printable(action[name]) for name in ("happened_at", "action", "by", "outcome", "reason")
        )
        console.print(f"\n{line}  (action {action['action_id']})")
    console.print(f"\npayload, {len(payload):,} bytes", style="bold")
    text = event if isinstance(event, str) else json.dumps(event, indent=2, ensure_ascii=False)
    console.print(printable_lines(text))
    if not reveal:
        console.print("prompt texts are hidden: --reveal shows them", style="dim")
