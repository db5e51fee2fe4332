"""A folder against the registry."""

from __future__ import annotations

from collections.abc import Sequence

from prompt_worker.commands.command import open_console
from prompt_worker.commands.prompts.reports.changes import print_changes
from prompt_worker.commands.prompts.reports.checks import print_checked
from prompt_worker.commands.prompts.reports.saving import print_planned
from prompt_worker.commands.terminal.printable import printable
from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.reading.profile import profile
from prompt_worker.prompts.authoring.releases.gate.difference import difference
from prompt_worker.prompts.authoring.versions.committing import FolderProposal, Pulled
from prompt_worker.prompts.authoring.versions.planning import Planned


def print_proposal(proposed: FolderProposal, *, as_json: bool) -> int:
    """The exit code: 1 where something keeps it from being saved."""
    console = open_console(stderr=as_json)
    for fault in proposed.faults:
        console.print(printable(fault), style="red")
    new = sum(each.saves for each in proposed.proposal.planned)
    print_checked(console, proposed.proposal.checked[new:])
    print_planned(proposed.proposal.planned, as_json=as_json)
    return 0 if proposed.can_be_saved else 1


def print_differences(session: Session, planned: Sequence[Planned]) -> None:
    console = open_console()
    for each in planned:
        if each.saves:
            before = (
                None
                if each.before is None
                else profile(session, each.candidate.name, each.before).version.content
            )
            console.print(f"\n{printable(each.candidate.name)}", style="bold underline")
            print_changes(console, difference(before, each.candidate.content))


def print_pulled(pulled: Pulled) -> int:
    """The exit code: 1 where a file was kept, or cannot be written."""
    console = open_console()
    for name in pulled.conflicts:
        console.print(
            f"conflict {printable(name)}: it was changed here; push it, or pull with --force", style="red"
        )
    for name, why in pulled.refused.items():
        console.print(f"refused  {printable(name)}: {printable(why)}", style="red")
    if pulled.conflicts:
        console.print("nothing was written")
        return 1
    for name in pulled.written:
        console.print(f"written  {printable(name)}", style="green")
    console.print(f"{len(pulled.unchanged):,} as they were")
    return 1 if pulled.refused else 0
