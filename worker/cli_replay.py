"""What changes dead letters: `prompt-worker dead-letters replay`, edit, discard, purge; and its history."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from worker.cli_by import add_by, who
from worker.cli_filters import add_filters, filter_of

if TYPE_CHECKING:
    from rich.console import Console

    from worker.deadletters.actions import Database

Command = Callable[[argparse.Namespace], int]
Commands = argparse._SubParsersAction  # argparse has no public name for it

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def add_replay(commands: Commands[argparse.ArgumentParser]) -> None:
    """Each sets `command` to a function of its options."""
    replaying = _add(
        commands, "replay", _replay, "what would happen if they were sent again now; --yes sends them"
    )
    add_filters(replaying)
    _confirmed(replaying, "send them")
    add = replaying.add_argument
    add("--limit", type=_positive(int), metavar="N", help="at most so many")
    add(
        "--rate",
        type=_positive(float),
        metavar="N",
        help="at most so many a second (default: as fast as it goes)",
    )
    add("--canary", type=_positive(int), metavar="N", help="send N, and the rest only if all N were written")
    add(
        "--oldest",
        type=_positive(float),
        default=30.0,
        metavar="SECONDS",
        help="slow down while the oldest event sent has not been settled for so long (default: 30)",
    )
    add(
        "--wait",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long to wait for events to be settled while none is (default: 60)",
    )
    add("--force", action="store_true", help="also those replayed PROMPT_WORKER_MAX_REPLAYS times already")

    add("--json", action="store_true", help="print JSON, a group a line")

    edit = _add(commands, "edit", _edit, "a corrected copy, replayed instead of the original")
    edit.add_argument("id", metavar="ID", type=UUID, help="of the dead letter")
    edit.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", type=_assignment)
    edit.add_argument("--unset", action="append", default=[], metavar="FIELD")
    edit.add_argument("--file", type=Path, metavar="FILE", help="the whole body (default: opened in $EDITOR)")
    edit.add_argument("--reveal", action="store_true", help="show texts in the difference")
    add_by(edit)

    discard = _add(commands, "discard", _discard, "give dead letters up")
    add_filters(discard)
    discard.add_argument("--because", required=True, metavar="TEXT", help="why; kept with each of them")
    _confirmed(discard, "discard them")

    purge = _add(commands, "purge", _purge, "delete what was resolved or discarded long ago")
    add_filters(purge)
    purge.add_argument("--older-than", type=_age, required=True, metavar="AGE", help="such as 30d, 12h")
    _confirmed(purge, "delete them")

    history = _add(commands, "history", _history, "who did what, and what came of it")
    history.add_argument(
        "id", metavar="ID", type=UUID, nargs="?", help="of a dead letter, its event, or an action"
    )
    history.add_argument("--limit", type=_positive(int), default=50, metavar="N", help="at most so many (50)")
    history.add_argument("--json", action="store_true", help="print a JSON object a line")


def _add(
    commands: Commands[argparse.ArgumentParser], name: str, run: Command, about: str
) -> argparse.ArgumentParser:
    added = commands.add_parser(name, help=about, description=about)
    added.set_defaults(command=run, extra="worker")
    return added


def _confirmed(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--yes", action="store_true", help=f"{what}; without it, only told")
    add_by(parser)


def _replay(options: argparse.Namespace) -> int:
    from google.cloud.pubsub_v1 import PublisherClient

    from worker.deadletters.replay_command import Options, dry_run, send
    from worker.settings import Environment, ReplaySettings
    from worker.topic import Topic
    from worker.topology import read_topology

    filter_ = filter_of(options)
    if not filter_.statuses:
        filter_ = replace(filter_, statuses=("pending",))
    environment = Environment()
    settings = environment.read(ReplaySettings)
    topology = read_topology(environment) if options.yes else None
    environment.check()
    how = Options(
        options.limit,
        None if options.force else settings.max_replays,
        options.rate,
        options.oldest,
        options.canary or 0,
        options.wait,
        options.json,
    )
    database, console = _database(), _console(stderr=options.json)
    if topology is None:
        return dry_run(database, filter_, how, console)
    with PublisherClient() as publisher:
        topic = Topic(publisher, topology.topic_path(topology.names.topic))
        return send(database, topic, filter_, how, by=who(options), console=console)


def _edit(options: argparse.Namespace) -> int:
    from worker.deadletters.correction import CorrectionError, corrected
    from worker.deadletters.edit import edit, in_editor

    def correct(body: bytes) -> bytes:
        if not options.file:
            return corrected(body, dict(options.set), options.unset)
        try:
            return bytes(options.file.read_bytes())
        except OSError as error:
            raise CorrectionError(f"--file {options.file}: {error.strerror}") from None

    by_hand = not (options.file or options.set or options.unset)
    return edit(
        _database(),
        options.id,
        in_editor if by_hand else correct,
        by=who(options),
        reveal=options.reveal,
        console=_console(),
    )


def _discard(options: argparse.Namespace) -> int:
    from worker.deadletters.discard import discard

    return discard(
        _database(),
        filter_of(options),
        options.because,
        yes=options.yes,
        by=who(options),
        console=_console(),
    )


def _purge(options: argparse.Namespace) -> int:
    from worker.deadletters.discard import purge

    return purge(
        _database(),
        filter_of(options),
        options.older_than,
        yes=options.yes,
        by=who(options),
        console=_console(),
    )


def _history(options: argparse.Namespace) -> int:
    from worker.deadletters.history import history

    return history(_database(), options.id, options.limit, as_json=options.json, console=_console())


def _database() -> Database:
    from worker.cli_engine import open_engine
    from worker.deadletters.actions import Database

    return Database(open_engine("dead-letters"))


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(highlight=False, markup=False, soft_wrap=True, stderr=stderr)


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text}: more than 0 is wanted")
        return value

    return number


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text}: FIELD=VALUE is wanted")
    return name, value


def _age(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([mhdw])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text}: a number and m, h, d or w are wanted, such as 30d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
