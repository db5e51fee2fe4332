"""`prompt-worker prompts`: prompts as files and in the registry, from the first version to a rollback."""

from prompt_worker.commands.command import Commands, add_group
from prompt_worker.commands.prompts.folder import check, export, plan, pull, push
from prompt_worker.commands.prompts.releases import (
    activate,
    block,
    cases,
    epoch,
    explain,
    history,
    label,
    policy,
    review,
    rollback,
    rollout,
    rules,
)
from prompt_worker.commands.prompts.versions import create, diff, edit, listing, render, show


def add(commands: Commands) -> None:
    group = add_group(commands, "prompts", "prompts: write, check, approve and release them")
    for command in (
        check, render, listing, show, diff, create, edit, plan, push, pull, review, cases, activate, rollout, rollback,
        label, rules, block, history, explain, export, policy, epoch,
    ):  # fmt: skip
        command.add(group)
