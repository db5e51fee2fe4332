"""What was saved, or would be."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.text import Text

from prompt_worker.commands.command import open_console
from prompt_worker.commands.prompts.reports.checks import print_checked
from prompt_worker.commands.terminal.printable import printable
from prompt_worker.prompts.authoring.versions.planning import Planned
from prompt_worker.prompts.authoring.versions.saving import Proposal

_STYLES = {"new": "green", "changed": "yellow", "saved": "cyan", "same": "dim", "refused": "bold red"}


class Line(msgspec.Struct, frozen=True):
    """One planned content, for programs."""

    name: str
    action: str
    version: int
    before: int | None
    sha256: str


def print_planned(planned: Sequence[Planned], *, as_json: bool, done: bool = False) -> None:
    """A line for each that is not in production already; `done`: it was saved."""
    if as_json:
        for each in planned:
            content = each.candidate.content
            line = Line(each.candidate.name, each.action, each.version, each.before, content.sha256)
            print(msgspec.json.encode(line).decode())
        return
    console = open_console()
    for each in planned:
        if each.action != "same":
            said = f"{each.action:<8} {printable(each.candidate.name)}: {_said(each, done=done)}"
            console.print(Text(said, _STYLES[each.action]))
    same = sum(each.action == "same" for each in planned)
    if same or not planned:
        console.print(f"{same:,} as in production" if planned else "nothing to compare: there are no files")


def print_faults(console: Console, proposal: Proposal) -> None:
    print_checked(console, proposal.checked)


def _said(each: Planned, *, done: bool) -> str:
    if each.action == "refused":
        return f"version {each.version} of the registry is another text"
    if each.action == "saved":
        return f"version {each.version} has this content, and is not in production"
    verb = "saved as" if done else "becomes"
    return f"{verb} version {each.version}" + (f", after {each.before}" if each.before else "")
