"""`prompt-worker serve`: the consumers that Pub/Sub pushes to."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command
from prompt_worker.commands.workers.consumers import CONSUMERS, PUSHED
from prompt_worker.commands.workers.log_level import add_log_level
from prompt_worker.platform.process.signals import exit_while_starting


def add(commands: Commands) -> None:
    serve = add_command(
        commands, "serve", _serve, "accept Pub/Sub's push requests until SIGTERM", extra="push,guardrails"
    )
    serve.add_argument("only", nargs="?", choices=PUSHED, help="default: both, each on its path")
    add_log_level(serve)


def _serve(options: argparse.Namespace) -> int:
    exit_while_starting()
    from prompt_worker.consuming.push.serve import serve
    from prompt_worker.platform.telemetry import configure_logs

    configure_logs(options.log_level)
    names = [options.only] if options.only else PUSHED
    serve([CONSUMERS[name] for name in names], options.only or "serve")
    return 0
