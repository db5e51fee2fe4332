"""The arguments of the commands that have many; `prompt_worker.cli` puts them together."""
