"""A release, and how it spreads."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from rich.console import Console
from rich.text import Text

from prompt_worker.commands.command import open_console
from prompt_worker.commands.terminal.printable import printable, printable_time
from prompt_worker.prompts.authoring.releases.activating import Activated
from prompt_worker.prompts.authoring.releases.propagation import Follower, Progress


def print_activated(activated: Activated, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(activated).decode())
        return
    name = printable(activated.name)
    if activated.before == activated.version:
        said = f"{name}: version {activated.version} is in production already"
    else:
        was = "" if activated.before is None else f", was version {activated.before}"
        said = (
            f"{name}: version {activated.version} is in production now{was} (revision {activated.revision})"
        )
    open_console().print(Text(said, "bold green"))


def print_spread(steps: Iterable[Progress], version: int, *, as_json: bool) -> int:
    """Follows it: the exit code, 1 where some service does not serve it when time is up."""
    console, notes = open_console(), open_console(stderr=True)
    last: Progress | None = None
    with notes.status("waiting for services") if notes.is_terminal and not as_json else _Silent() as line:
        for last in steps:
            known = len(last.following) + len(last.left)
            line.update(f"{len(last.following)} of {known} services serve version {version}")
    if last is None:
        return 0
    if as_json:
        print(msgspec.json.encode(last).decode())
    else:
        _print_end(console, last, version)
    return 0 if last.is_everywhere else 1


class _Silent:
    """In place of a line that is drawn again and again, where nobody sees it."""

    def __enter__(self) -> _Silent:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, _text: str) -> None:
        pass


def _print_end(console: Console, progress: Progress, version: int) -> None:
    for each in progress.following:
        console.print(Text(f"  {_name(each)} serves version {version}", "green"))
    for each in progress.left:
        console.print(Text(f"  {_name(each)} {_state(each)}", "yellow"))
    if not progress.following and not progress.left:
        console.print(
            "no service has published it, or what includes it, in the last 24 hours: there is nobody to wait for"
        )
    elif progress.is_everywhere:
        console.print(f"version {version} is served everywhere")
    else:
        left = len(progress.left)
        do = "service does" if left == 1 else "services do"
        console.print(f"{left} {do} not serve version {version} yet")


def _name(each: Follower) -> str:
    return printable(each.name) if each.name else "(a service without a name)"


def _state(each: Follower) -> str:
    if each.other is not None and each.other_at is not None:
        return f"still serves {printable(each.other)} as it was, last at {printable_time(each.other_at)}"
    return "has published nothing since"
