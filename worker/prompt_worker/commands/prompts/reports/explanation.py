"""Which version a service gets, and what was considered on the way to it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from prompt_worker.commands.command import open_console
from prompt_worker.commands.prompts.reports.rollout import shown_beside
from prompt_worker.commands.prompts.reports.rules import rule_lines
from prompt_worker.commands.terminal.printable import printable, printable_time
from prompt_worker.prompts.authoring.reading.explaining import Asked, Explained
from prompt_worker.prompts.authoring.reading.running import Enrolled


def print_explained(explained: Explained, asked: Asked) -> None:
    console = open_console()
    when = "now" if explained.at is None else f"at {printable_time(explained.at)}"
    name = printable(explained.name)
    if explained.version is None:
        console.print(Text(f"{name} {when}: no version; {printable(explained.problem)}", "bold red"))
    else:
        language = f" in {printable(explained.language)}" if explained.language else ""
        console.print(
            Text(
                f"{name} {when}: version {explained.version}{language}, chosen by {explained.selection}",
                "bold green",
            )
        )
    for line in _considered(explained, asked):
        console.print(f"  {line}")


def _considered(explained: Explained, asked: Asked) -> Iterator[str]:
    state = explained.state
    yield "blocked: " + ("no" if state.blocked is None else printable(state.blocked))
    if asked.version is not None:
        yield f"asked for: version {asked.version}"
    if asked.label is not None:
        yield f"asked for: label {printable(asked.label)}"
    labels = ", ".join(f"{printable(label)} {version}" for label, version in sorted(state.labels.items()))
    yield f"labels: {labels or 'none'}"
    for number, line in rule_lines(state.rules):
        chosen = " (it holds)" if explained.selection == f"rule:{number}" else ""
        yield f"rule {number}: {line}{chosen}"
    if not state.rules:
        yield "rules: none"
    if explained.enrolled is not None:
        yield from _enrolled(explained.enrolled)
    if explained.rollout is not None:
        yield f"rolled out: {shown_beside(explained.rollout)}"
    yield f"in production: {'none' if state.production is None else f'version {state.production}'}{_by(explained)}"
    if explained.version is not None and explained.version in state.edited:
        yield "the content of this version was changed in place since: 'prompt-worker prompts history' says when"
    if explained.at is not None and explained.begins is not None and explained.at < explained.begins:
        yield f"the history begins at {printable_time(explained.begins)}: what was changed before it is not known"
    for what, why in explained.quarantined.items():
        yield f"cannot be served: {printable(what)}, {printable(why)}"


def _enrolled(enrolled: Enrolled) -> Iterator[str]:
    kind = "rollout" if enrolled.kind == "rollout" else "experiment"
    where = f" in {printable(enrolled.environment)}" if enrolled.environment else ""
    what = f"{kind} {printable(enrolled.name)}, phase {enrolled.phase}, by {enrolled.unit_kind}{where}"
    if enrolled.unit is None:
        yield f"{what}: no unit, so in none of its arms"
    else:
        arm = "outside of its arms" if enrolled.arm is None else f"arm {printable(enrolled.arm)}"
        yield f"{what}: {printable(enrolled.unit)} is in bucket {enrolled.bucket}, {arm}"
    if not enrolled.is_certain:
        yield "whether it was paused then, only a login with the role prompt_text_reader may read"


def _by(explained: Explained) -> str:
    released = explained.released
    if released is None:
        return ""
    why = f": {printable(released.reason)}" if released.reason else ""
    return f", since {printable_time(released.at)} by {printable(released.who)}{why}"
