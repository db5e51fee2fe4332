"""The arguments of the commands that have many; `worker.cli` puts them together."""
