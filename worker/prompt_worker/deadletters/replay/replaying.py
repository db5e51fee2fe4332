"""`prompt-worker dead-letters replay`: told first; then a canary, the rest, and what became of them."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import get_args
from uuid import UUID

from rich.console import Console

from prompt_worker.commands.dead_letters.replay_report import (
    print_fates,
    print_fates_as_json,
    print_settled,
    print_settled_as_json,
)
from prompt_worker.commands.progress import progress
from prompt_worker.deadletters.audit import audited
from prompt_worker.deadletters.filters import Filter
from prompt_worker.deadletters.replay.pace import Pace
from prompt_worker.deadletters.replay.rehearsal import End, Fate, Rehearsal
from prompt_worker.deadletters.replay.selection import Selection
from prompt_worker.deadletters.replay.sending import Replay
from prompt_worker.deadletters.replay.settling import settled, wait_until_settled
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.process.signals import stopped_by_signal
from prompt_worker.platform.pubsub.topic import Topic

INTERRUPTED = 130
CANARY_WAIT = 60.0  # seconds, where nothing else is waited for


@dataclass(frozen=True)
class Options:
    """How to send. `rate` in events a second; `oldest` and `wait` in seconds; `most_replays` None for any number."""

    limit: int | None
    most_replays: int | None
    rate: float | None = None
    oldest: float = 30.0
    canary: int = 0
    wait: float = 60.0
    as_json: bool = False


def dry_run(session: Session, filter_: Filter, options: Options, console: Console) -> int:
    """Says for each cause what would happen now. Raises `DeploymentError`."""
    selection = session.run(lambda cursor: Selection.now(cursor, filter_, options.most_replays))
    most = _most(selection, options)
    if not _announce(selection, options, filter_, console):
        return 0
    groups: Counter[Fate] = Counter()
    examples: dict[Fate, UUID] = {}
    with progress("rehearsing", most) as tell:
        for fates in Rehearsal(session).run(selection, most):
            for letter, fate in fates:
                groups[fate] += 1
                examples.setdefault(fate, letter.id)
            tell(len(fates))
    if options.as_json:
        print_fates_as_json(groups, examples)
        return 0
    print_fates(groups, examples, console)
    ends: Counter[str] = Counter()
    for fate, number in groups.items():
        ends[fate.end] += number
    told = ", ".join(f"{number:,} {end}" for end in get_args(End) if (number := ends[end]))
    console.print(f"{groups.total():,} events: {told}. Nothing was sent: --yes sends them")
    return 0


def send(
    session: Session, topic: Topic, filter_: Filter, options: Options, *, by: str, console: Console
) -> int:
    """Sends; the exit code: 1 where some failed again or are not settled yet. Raises `DeploymentError`."""
    selection = session.run(lambda cursor: Selection.now(cursor, filter_, options.most_replays))
    if not _announce(selection, options, filter_, console):
        return 0
    most = _most(selection, options)
    details = {
        "limit": options.limit,
        "rate": options.rate,
        "canary": options.canary or None,
        "forced": options.most_replays is None,
    }
    told = {name: value for name, value in details.items() if value}
    with stopped_by_signal() as stop, audited(session, "replay", by, filter_.told(), told) as action:
        pace = Pace(options.rate, options.oldest, time.monotonic)
        with progress("replaying", most) as tell:
            return _send(Replay(session, topic, selection, action, pace, stop, tell), most, options, console)


def _send(replay: Replay, most: int, options: Options, console: Console) -> int:
    session, action, stop = replay.session, replay.action, replay.stop
    canary = min(options.canary, most)
    if canary:
        replay.send(canary)
        found = wait_until_settled(session, action.id, options.wait or CANARY_WAIT, stop)
        if stop.is_set():
            return _interrupted(replay, most, console)
        print_settled(f"canary of {replay.sent:,}", found, console)
        if found.resolved < replay.sent:
            console.print(f"the other {most - replay.sent:,} were not sent")
            if options.as_json:
                print_settled_as_json(action.id, replay.sent, found)
            return 1
    replay.send(most - replay.sent)
    if stop.is_set():
        return _interrupted(replay, most, console)
    if options.wait:
        found = wait_until_settled(session, action.id, options.wait, stop)
    else:
        found = session.run(lambda cursor: settled(cursor, action.id))
    print_settled(f"{replay.sent:,} sent", found, console, waited=options.wait > 0)
    if options.as_json:
        print_settled_as_json(action.id, replay.sent, found)
    return 1 if found.failed or (found.waiting and options.wait) else 0


def _interrupted(replay: Replay, most: int, console: Console) -> int:
    console.print(f"stopped: {replay.sent:,} of {most:,} sent; the same command goes on with the rest")
    return INTERRUPTED


def _most(selection: Selection, options: Options) -> int:
    return min(selection.events, options.limit or selection.events)


def _announce(selection: Selection, options: Options, filter_: Filter, console: Console) -> bool:
    """Whether there is anything to do."""
    if selection.refused:
        console.print(
            f"{selection.refused:,} are refused: replayed {options.most_replays} times already "
            "(PROMPT_WORKER_MAX_REPLAYS); --force sends them"
        )
    if not selection.events:
        console.print(f"no dead letter to replay: {filter_.describe()}")
    return bool(selection.events)
