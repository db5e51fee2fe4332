"""`prompt-worker prompts`: prompts as files."""

from prompt_worker.commands.command import Commands, add_group
from prompt_worker.commands.prompts import check, render


def add(commands: Commands) -> None:
    group = add_group(commands, "prompts", "prompts as files: check and render them")
    for command in (check, render):
        command.add(group)
