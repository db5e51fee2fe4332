"""`prompt-worker prompts explain`."""

from __future__ import annotations

import argparse
from datetime import datetime

from prompt_worker.commands.command import Commands, add_command
from prompt_worker.commands.prompts.acting import EXTRA, version_number
from prompt_worker.commands.prompts.context import context_entry


def add(commands: Commands) -> None:
    explain = add_command(
        commands,
        "explain",
        _explain,
        "which version a service gets, or got at a moment, and why; exit code 1 when it gets none",
        extra=EXTRA,
    )
    add = explain.add_argument
    add("name", metavar="NAME", help="the prompt's name, such as tutor/hints")
    add("--unit", metavar="UNIT", help="of an experiment, such as the id of a user or of a session")
    add("--environment", metavar="NAME", help="that of the service (default: where the experiment runs)")
    add(
        "--context",
        action="append",
        default=[],
        type=context_entry,
        metavar="KEY=VALUE",
        help="what rules ask for: JSON, or else a text; repeatable",
    )
    add("--language", metavar="TAG", help="such as de-AT")
    add("--version", type=version_number, metavar="N", help="as a service that asks for this version")
    add("--label", metavar="LABEL", help="as a service that asks for this label")
    add(
        "--at",
        type=_when,
        metavar="TIME",
        help="an age such as 2h, or a time such as 2026-11-23T08:00Z (default: now)",
    )
    add("--json", action="store_true", help="print a JSON object")


def _when(text: str) -> datetime:
    from prompt_worker.commands.dead_letters.filters import parse_when

    return parse_when(text)


def _explain(options: argparse.Namespace) -> int:
    import msgspec

    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.prompts.reports.explanation import print_explained
    from prompt_worker.prompts.authoring.reading.explaining import Asked, explain

    asked = Asked(
        unit=options.unit,
        environment=options.environment,
        context=dict(options.context),
        language=options.language,
        version=options.version,
        label=options.label,
    )
    explained = explain(open_session("prompts"), options.name, asked, at=options.at)
    if options.json:
        print(msgspec.json.encode(explained).decode())
    else:
        print_explained(explained, asked)
    return 0 if explained.version is not None else 1
