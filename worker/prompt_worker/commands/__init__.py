"""The arguments of the commands that have many; `prompt_worker.commands.cli` puts them together."""
