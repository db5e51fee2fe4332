"""The command line: arguments in, exit code out. Each command imports what it needs, and only that."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from prompt_schema.errors import MigrationError
from prompt_worker.commands import dead_letters, doctor, guardrails, publish, settings, up
from prompt_worker.commands.command import Command
from prompt_worker.commands.pubsub import seek, snapshot, topics
from prompt_worker.commands.schema import migrate, rebuild_statistics, verify
from prompt_worker.commands.workers import run, serve
from prompt_worker.platform.failures import Failure, SettingsError

# In the order of `prompt-worker --help`.
COMMANDS = (
    up,
    migrate,
    verify,
    rebuild_statistics,
    topics,
    run,
    serve,
    publish,
    dead_letters,
    guardrails,
    seek,
    snapshot,
    doctor,
    settings,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code, one of `EXIT_CODES`."""
    options = _parser().parse_args(arguments)
    command: Command = options.command
    try:
        return command(options)
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        return _fail(
            f"{error.name} is not installed: pip install 'prompt-worker[{options.extra}]'",
            SettingsError.exit_code,
        )
    except (Failure, MigrationError) as error:
        return _fail(error, error.exit_code)


def _fail(error: object, code: int) -> int:
    print(f"prompt-worker: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="prompt-worker",
        description="Records LLM prompt executions: Pub/Sub in, exact rows and statistics out.",
        epilog="'prompt-worker COMMAND --help' describes a command, "
        "'prompt-worker settings' the environment variables and exit codes.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
