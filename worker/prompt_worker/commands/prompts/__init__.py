"""`prompt-worker prompts`: prompts as files and in the registry, from the first version to a rollback."""

from prompt_worker.commands.command import Commands, add_group
from prompt_worker.commands.prompts import (
    activate,
    block,
    check,
    create,
    diff,
    edit,
    epoch,
    explain,
    export,
    history,
    label,
    listing,
    plan,
    policy,
    pull,
    push,
    render,
    review,
    rollback,
    show,
)


def add(commands: Commands) -> None:
    group = add_group(commands, "prompts", "prompts: write, check, approve and release them")
    for command in (
        check, render, listing, show, diff, create, edit, plan, push, pull, review, activate, rollback, label, block,
        history, explain, export, policy, epoch,
    ):  # fmt: skip
        command.add(group)
