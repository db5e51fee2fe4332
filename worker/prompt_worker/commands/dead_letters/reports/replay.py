"""A dry run and a replay, printed while they go on: for people, and as JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from typing import get_args
from uuid import UUID

from google.cloud.pubsub_v1 import PublisherClient
from rich.console import Console

from prompt_worker.commands.terminal.printable import printable
from prompt_worker.commands.terminal.progress import progress
from prompt_worker.deadletters.replay.rehearsal import Fate, Prospect, Rehearsal
from prompt_worker.deadletters.replay.replaying import (
    BatchSent,
    CanarySent,
    CanarySettled,
    Done,
    Interrupted,
    Options,
    Step,
    replay,
)
from prompt_worker.deadletters.replay.selection import Selection
from prompt_worker.deadletters.replay.sending import topics_of
from prompt_worker.deadletters.replay.settling import Settled
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.process.signals import stopped_by_signal
from prompt_worker.platform.pubsub.topology import Topology

GROUPS = 20  # of a dry run; the others are counted
REASONS = 5
INTERRUPTED = 130


def print_selection(selection: Selection, console: Console) -> None:
    """What is refused, and whether there is nothing to do."""
    if selection.refused:
        console.print(
            f"{selection.refused:,} are refused: already replayed {selection.most_replays} times "
            "(PROMPT_WORKER_MAX_REPLAYS); --force sends them"
        )
    if not selection.matching:
        console.print(f"no dead letters to replay: {selection.filter.describe()}")


def rehearse_and_print(session: Session, selection: Selection, console: Console, *, as_json: bool) -> None:
    groups: Counter[Fate] = Counter()
    examples: dict[Fate, UUID] = {}
    with progress("rehearsing", selection.size) as advance:
        for batch in Rehearsal(session).run(selection):
            for letter, fate in batch:
                groups[fate] += 1
                examples.setdefault(fate, letter.id)
            advance(len(batch))
    if as_json:
        for fate, number in groups.most_common():
            print(json.dumps(asdict(fate) | {"events": number, "example": str(examples[fate])}))
    else:
        _print_fates(groups, examples, console)


def _print_fates(groups: Counter[Fate], examples: dict[Fate, UUID], console: Console) -> None:
    for fate, number in groups.most_common(GROUPS):
        console.print(f"{number:>9,}  {printable(fate.cause)}")
        console.print(f"           {printable(fate.now)}; for example {examples[fate]}\n")
    if len(groups) > GROUPS:
        console.print(f"and {len(groups) - GROUPS:,} more groups: narrow the filter to see them")
    ends: Counter[str] = Counter()
    for fate, number in groups.items():
        ends[fate.end] += number
    counts = ", ".join(f"{number:,} {end}" for end in get_args(Prospect) if (number := ends[end]))
    console.print(f"{groups.total():,} events: {counts}. Dry run: nothing sent; pass --yes to send them")


def send_and_print(
    session: Session,
    topology: Topology,
    selection: Selection,
    options: Options,
    console: Console,
    *,
    by: str,
    as_json: bool,
) -> int:
    """Replays; the exit code: 1 where some failed again or are not settled yet, 130 where it was interrupted."""
    code = 0
    with (
        PublisherClient() as publisher,
        stopped_by_signal() as stop,
        progress("replaying", selection.size) as advance,
    ):
        topics = topics_of(publisher, topology)
        with closing(replay(session, topics, selection, options, by=by, stop=stop)) as steps:
            for step in steps:
                if isinstance(step, BatchSent):
                    advance(step.events)
                elif not isinstance(step, CanarySent):
                    code = _print_step(step, console, as_json=as_json)
    return code


def _print_step(step: Step, console: Console, *, as_json: bool) -> int:
    """The exit code of a replay for which this is the last step."""
    match step:
        case Interrupted(sent, wanted):
            console.print(f"stopped: {sent:,} of {wanted:,} sent; run the command again to send the rest")
            return INTERRUPTED
        case CanarySettled(id_, sent, unsent, settled):
            _print_settled(f"canary of {sent:,}", settled, console)
            if step.passed:
                return 0
            console.print(f"the other {unsent:,} were not sent")
            if as_json:
                _print_as_json(id_, sent, settled)
            return 1
        case Done(id_, sent, settled, waited, refused):
            _print_settled(f"{sent:,} sent", settled, console, waited=waited)
            _print_refused(refused, console)
            if as_json:
                _print_as_json(id_, sent, settled, refused)
            return 0 if step.clean else 1
    return 0


def _print_refused(refused: Sequence[UUID], console: Console) -> None:
    if refused:
        ids = ", ".join(map(str, refused[:REASONS])) + ", …" * (len(refused) > REASONS)
        console.print(f"{len(refused):,} not sent, Pub/Sub does not accept them (10 MB at most): {ids}")


def _print_as_json(replay: UUID, sent: int, settled: Settled, refused: Sequence[UUID] = ()) -> None:
    """`refused` is left out where there are none."""
    found = {"replay": str(replay), "sent": sent} | asdict(settled)
    print(json.dumps(found | ({"refused": list(map(str, refused))} if refused else {})))


def _print_settled(subject: str, settled: Settled, console: Console, *, waited: bool = True) -> None:
    parts = [f"{settled.resolved:,} resolved"] * bool(settled.resolved)
    parts += [f"{settled.failed:,} failed again"] * bool(settled.failed)
    parts += [f"{settled.waiting:,} not settled yet"] * bool(settled.waiting)
    console.print(f"{subject}: {', '.join(parts) or 'nothing'}")
    for reason, number in settled.reasons[:REASONS]:
        console.print(f"  {number:,} times {printable(reason)}")
    if settled.waiting and waited:
        console.print(
            "  are the workers running? 'prompt-worker dead-letters list --status replayed' shows these"
        )
