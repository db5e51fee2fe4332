"""Who has to approve what."""

from __future__ import annotations

from prompt_worker.commands.command import open_console
from prompt_worker.commands.terminal.printable import printable
from prompt_worker.prompts.authoring.releases.policies import Policies


def print_policies(policies: Policies) -> None:
    console = open_console()
    for kind, needed in (("category", policies.categories), ("prompt", policies.names)):
        for name, number in needed.items():
            console.print(f"{kind} {printable(name)}: {number} approval{'s' * (number != 1)}")
    if not policies.categories and not policies.names:
        console.print("no approval is needed for anything")
    freeze = (
        "a version that was served, approved or labelled never changes"
        if policies.freeze == "enforce"
        else "the content of any version may be changed in place, which the history records; --freeze enforce ends that"
    )
    console.print(freeze)
