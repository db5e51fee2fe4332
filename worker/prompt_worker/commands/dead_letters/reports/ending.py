"""What `discard` and `purge` have in common: a dry run unless confirmed, a progress bar, and the result."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.console import Console

from prompt_worker.commands.terminal.progress import progress
from prompt_worker.deadletters.ending import Ended, Ending, carry_out
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.process.signals import stopped_by_signal


def end_and_print(
    session: Session, ending: Ending, console: Console, *, yes: bool, by: str, as_json: bool
) -> int:
    """Ends them if `yes`; the exit code."""
    command = "discard" if ending.end == "discarded" else "purge"
    if not ending.matching:
        console.print(f"nothing to {command}")
        ended = Ended(0)
    elif not yes:
        console.print(f"dry run: nothing {ending.end}; pass --yes to {command}")
        ended = Ended(ending.matching)
    else:
        with stopped_by_signal() as stop, progress(ending.end, ending.matching) as advance:
            ended = carry_out(session, ending, by=by, stop=stop, progress=advance)
        left = f", {ended.matching - ended.ended:,} left: stopped" if ended.stopped else ""
        console.print(f"{ended.ended:,} {ending.end}{left}")
    if as_json:
        print(json.dumps(asdict(ended)))
    return 130 if ended.stopped else 0
