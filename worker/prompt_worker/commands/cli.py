"""The command line: arguments in, exit code out. Each command imports what it needs, and only that."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from prompt_worker.commands import (
    console,
    dead_letters,
    doctor,
    experiments,
    guardrails,
    prompts,
    publish,
    registry,
    settings,
    up,
)
from prompt_worker.commands.command import Command
from prompt_worker.commands.explanation import IO_FAILED, READER_GONE, explanation
from prompt_worker.commands.pubsub import seek, snapshot, topics
from prompt_worker.commands.schema import migrate, partitions, rebuild_statistics, verify
from prompt_worker.commands.terminal.streams import give_up_output, prepare_streams
from prompt_worker.commands.workers import run, serve

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

# In the order of `prompt-worker --help`.
COMMANDS = (
    up,
    migrate,
    partitions,
    verify,
    rebuild_statistics,
    topics,
    run,
    serve,
    console,
    publish,
    dead_letters,
    guardrails,
    prompts,
    experiments,
    registry,
    seek,
    snapshot,
    doctor,
    settings,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code, one of `EXIT_CODES`."""
    prepare_streams()
    options = argparse.Namespace(extra="worker")
    try:
        try:
            _parser().parse_args(arguments, options)
            command: Command = options.command
            return command(options)
        finally:
            # Here, where it can be said, and not while Python ends.
            sys.stdout.flush()
    except BaseException as error:
        if (found := explanation(error, extra=options.extra)) is None:
            raise
        return _fail(*found)


def _fail(why: str, code: int) -> int:
    with suppress(OSError):
        if why:
            print(f"prompt-worker: {why}", file=sys.stderr)
        sys.stderr.flush()
    if code in (READER_GONE, IO_FAILED):
        give_up_output()
    return code


class _Parser(argparse.ArgumentParser):
    """Help that cannot be printed is an error: argparse itself would say nothing."""

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if message:
            (file or sys.stderr).write(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="prompt-worker",
        description="Records LLM prompt executions: Pub/Sub in, exact rows and statistics out.",
        epilog="'prompt-worker COMMAND --help' describes a command, "
        "'prompt-worker settings' the environment variables and exit codes.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
