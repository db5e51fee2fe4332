"""`prompt-worker dead-letters`: what failed and why, and sending it again."""

from prompt_worker.commands.command import Commands, add_group
from prompt_worker.commands.dead_letters import discard, edit, history, listing, purge, replay, show, summary


def add(commands: Commands) -> None:
    group = add_group(commands, "dead-letters", "find out what failed and why, and send it again")
    for command in (listing, summary, show, replay, edit, discard, purge, history):
        command.add(group)
