"""`prompt-worker serve`: the consumers that Pub/Sub pushes to, and the registry that services read."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command
from prompt_worker.commands.workers.consumers import CONSUMERS, PUSHED
from prompt_worker.commands.workers.ending import ends_in_log
from prompt_worker.commands.workers.log_level import add_log_level
from prompt_worker.platform.process.signals import exit_while_starting

REGISTRY = "registry"


def add(commands: Commands) -> None:
    serve = add_command(
        commands,
        "serve",
        ends_in_log(_serve),
        "run a service that Pub/Sub pushes events to, or that other services read prompts from",
        details="It accepts requests on POST /push/executions, /push/guardrails and /push/feedback until SIGTERM or "
        "SIGINT, then answers those in flight, and ends with exit code 0 within 8 seconds. 'serve registry' instead "
        "answers GET /v1/registry.",
        extra="push,guardrails",
    )
    serve.add_argument(
        "only",
        nargs="?",
        choices=(*PUSHED, REGISTRY),
        help="accept only its events (default: those of all, each on its path); "
        "registry: accept no events, serve the document of all prompts",
    )
    add_log_level(serve)


def _serve(options: argparse.Namespace) -> int:
    exit_while_starting()
    from prompt_worker.platform.telemetry import configure_logs

    configure_logs(options.log_level)
    if options.only == REGISTRY:
        from prompt_worker.prompts.endpoint.serve import serve as serve_registry

        serve_registry()
        return 0
    from prompt_worker.consuming.push.serve import serve

    names = [options.only] if options.only else PUSHED
    serve([CONSUMERS[name] for name in names], options.only or "serve")
    return 0
