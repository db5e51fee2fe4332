"""`prompt-worker registry`: all prompts as services are given them."""

from prompt_worker.commands.command import Commands, add_group
from prompt_worker.commands.registry import export, show


def add(commands: Commands) -> None:
    group = add_group(commands, "registry", "all prompts, as services are given them")
    for command in (show, export):
        command.add(group)
