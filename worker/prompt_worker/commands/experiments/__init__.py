"""`prompt-worker experiments`: A/B tests, from a plan to a verdict."""

from prompt_worker.commands.command import Commands, add_group
from prompt_worker.commands.experiments import (
    accept,
    create,
    listing,
    look,
    looks,
    reweigh,
    show,
    status,
    suggest,
)


def add(commands: Commands) -> None:
    group = add_group(commands, "experiments", "A/B tests of prompts: plan, start, look at and end them")
    for command in (create, status, reweigh, listing, show, looks, look, accept, suggest):
        command.add(group)
