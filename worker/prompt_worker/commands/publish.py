"""`prompt-worker publish`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command


def add(commands: Commands) -> None:
    publish = add_command(commands, "publish", _publish, "publish newline-delimited JSON events")
    publish.add_argument("file", metavar="FILE", help="a file, or - for standard input")
    publish.add_argument("--json", action="store_true", help="print the counts as JSON")


def _publish(options: argparse.Namespace) -> int:
    from prompt_worker import Publisher
    from prompt_worker.platform.telemetry import configure_logs
    from prompt_worker.publishing.lines import run, source

    configure_logs("WARNING")
    with source(options.file) as lines:
        return run(lines, Publisher(), as_json=options.json)
