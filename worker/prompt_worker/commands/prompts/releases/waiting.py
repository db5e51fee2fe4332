"""Options of the commands that wait until a release is everywhere."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from prompt_worker.commands.command import positive, seconds

if TYPE_CHECKING:
    from prompt_worker.platform.postgres.session import Session
    from prompt_worker.prompts.authoring.releases.activating import Activated


def add_waiting(parser: argparse.ArgumentParser) -> None:
    """`--wait` and `--timeout`, which `wait_for` reads."""
    parser.add_argument(
        "--wait",
        action="store_true",
        help="until every service that published this prompt in the last 24 hours serves it; else exit code 1",
    )
    parser.add_argument(
        "--timeout",
        type=positive(seconds),
        default=600.0,
        metavar="SECONDS",
        help="wait so long at most (default: 600)",
    )


def wait_for(session: Session, released: Activated, options: argparse.Namespace) -> int:
    """The exit code."""
    from prompt_worker.commands.prompts.reports.release import print_spread
    from prompt_worker.prompts.authoring.releases.propagation import watch

    if not options.wait:
        return 0
    steps = watch(session, released, timeout=options.timeout)
    return print_spread(steps, released.version, as_json=options.json)
