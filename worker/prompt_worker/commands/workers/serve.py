"""`prompt-worker serve`: the consumers that Pub/Sub pushes to."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command
from prompt_worker.commands.workers.consumers import CONSUMERS, PUSHED
from prompt_worker.commands.workers.ending import ends_in_log
from prompt_worker.commands.workers.log_level import add_log_level
from prompt_worker.platform.process.signals import exit_while_starting


def add(commands: Commands) -> None:
    serve = add_command(
        commands,
        "serve",
        ends_in_log(_serve),
        "run a service that Pub/Sub pushes events to",
        details="It accepts requests on POST /push/executions and POST /push/guardrails until SIGTERM or SIGINT, then "
        "answers those in flight, and ends with exit code 0 within 8 seconds.",
        extra="push,guardrails",
    )
    serve.add_argument(
        "only", nargs="?", choices=PUSHED, help="accept only its events (default: both, each on its path)"
    )
    add_log_level(serve)


def _serve(options: argparse.Namespace) -> int:
    exit_while_starting()
    from prompt_worker.consuming.push.serve import serve
    from prompt_worker.platform.telemetry import configure_logs

    configure_logs(options.log_level)
    names = [options.only] if options.only else PUSHED
    serve([CONSUMERS[name] for name in names], options.only or "serve")
    return 0
