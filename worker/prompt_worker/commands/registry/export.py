"""`prompt-worker registry export`."""

from __future__ import annotations

import argparse
import sys

from prompt_worker.commands.command import Commands, add_command


def add(commands: Commands) -> None:
    export = add_command(
        commands,
        "export",
        _export,
        "write the registry's document to a file or an object of a bucket, whole or not at all",
        details="Services read it with PROMPT_REGISTRY=gs://BUCKET/OBJECT or file:///PATH. Run it after each release, "
        "or every minute. A later document is never replaced by an earlier one.",
        extra="prompts,worker",
    )
    export.add_argument(
        "target",
        nargs="?",
        default="-",
        metavar="FILE",
        help="a path or gs://BUCKET/OBJECT (default: standard output)",
    )
    export.add_argument("--force", action="store_true", help="replace whatever is there")


def _export(options: argparse.Namespace) -> int:
    from prompt_worker.platform.settings import DatabaseSettings, read
    from prompt_worker.prompts.registry.exporting import export, read_registry

    document = read_registry(read(DatabaseSettings).url)
    if options.target == "-":
        sys.stdout.buffer.write(document.encode() + b"\n")
        return 0
    export(document, options.target, force=options.force)
    print(f"revision {document.position} with {len(document.names):,} prompts is in {options.target}")
    return 0
