"""`prompt-worker run`: one consumer that pulls, or the evaluator of experiments."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command
from prompt_worker.commands.workers.consumers import CONSUMERS
from prompt_worker.commands.workers.ending import ends_in_log
from prompt_worker.commands.workers.log_level import add_log_level
from prompt_worker.platform.process.signals import exit_while_starting

_EXPERIMENTS = "experiments"


def add(commands: Commands) -> None:
    run = add_command(
        commands,
        "run",
        ends_in_log(_run),
        "run a worker that pulls events, or looks at experiments",
        details="It runs until SIGTERM or SIGINT, then finishes or hands back what is in flight, and ends with exit "
        "code 0 within 8 seconds.",
        extra="worker,guardrails",
    )
    run.add_argument(
        "consumer",
        choices=[*CONSUMERS, _EXPERIMENTS],
        help="executions: events become rows; guardrails: events are evaluated, violations recorded; "
        "feedback: what is said about requests becomes rows; "
        "dead-letters: rejected events are stored, to be inspected and replayed; "
        "experiments: running ones are looked at each minute",
    )
    add_log_level(run)


def _run(options: argparse.Namespace) -> int:
    exit_while_starting()
    from prompt_worker.platform.telemetry import configure_logs

    configure_logs(options.log_level)
    if options.consumer == _EXPERIMENTS:
        from prompt_worker.experiments.evaluator import run as evaluate

        evaluate()
        return 0
    from prompt_worker.consuming.pull.run import run

    run(CONSUMERS[options.consumer])
    return 0
