"""`prompt-worker guardrails`: what is active, and what it finds."""

from prompt_worker.commands.command import Commands, add_group
from prompt_worker.commands.guardrails import false_positive, listing, test


def add(commands: Commands) -> None:
    group = add_group(commands, "guardrails", "what is active, and what it finds")
    for command in (listing, false_positive, test):
        command.add(group)
