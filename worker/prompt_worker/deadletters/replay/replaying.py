"""A replay from beginning to end, as a stream of what happens: a canary, the rest, and what became of them."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prompt_worker.deadletters.audit import audited
from prompt_worker.deadletters.filters import WorkerName
from prompt_worker.deadletters.replay.pace import Pace
from prompt_worker.deadletters.replay.selection import Selection
from prompt_worker.deadletters.replay.sending import Sending
from prompt_worker.deadletters.replay.settling import Settled, settled, wait_until_settled
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.process.wakeup import Wakeup
from prompt_worker.platform.pubsub.topic import Topic

CANARY_WAIT = 60.0  # seconds, where nothing else is waited for


@dataclass(frozen=True)
class Options:
    """How to send. `rate` in events a second, None for as fast as possible; `oldest` and `wait` in seconds."""

    rate: float | None = None
    oldest: float = 30.0
    canary: int = 0
    wait: float = 60.0


@dataclass(frozen=True)
class BatchSent:
    """A batch of `events` was sent and marked as sent; a set `stop` ends the replay now."""

    events: int


@dataclass(frozen=True)
class CanarySent:
    """All events of the canary were sent; the next step comes once they are settled."""

    events: int


@dataclass(frozen=True)
class CanarySettled:
    """What became of the canary. The rest, `unsent`, follows only if it `passed`; else this is the last step."""

    replay: UUID
    sent: int
    unsent: int
    settled: Settled

    @property
    def passed(self) -> bool:
        """Whether every event of the canary became a row."""
        return self.settled.resolved >= self.sent


@dataclass(frozen=True)
class Interrupted:
    """The last step where `stop` was set before all were sent; another replay of the same filter sends the rest."""

    sent: int
    wanted: int


@dataclass(frozen=True)
class Done:
    """The last step where all were sent: what became of them until now, or until the wait was over (`waited`).

    `refused` are those that Pub/Sub does not accept; they were not sent.
    """

    replay: UUID
    sent: int
    settled: Settled
    waited: bool
    refused: tuple[UUID, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether none was refused or failed again, and none that was waited for is unsettled."""
        return not (self.refused or self.settled.failed or (self.settled.waiting and self.waited))


Step = BatchSent | CanarySent | CanarySettled | Interrupted | Done


def replay(
    session: Session,
    topics: Mapping[WorkerName, Topic],
    selection: Selection,
    options: Options,
    *,
    by: str,
    stop: Wakeup,
) -> Generator[Step, None, None]:
    """Sends the selection and yields each step once it is done. A set `stop` ends it between two batches.

    Each dead letter goes to the topic of its worker's events.
    The audit has its end however it ends; close the generator (`contextlib.closing`) where it may not be read to its
    last step. Raises `DeploymentError`.
    """
    details = _details(selection, options)
    with audited(session, "replay", by, selection.filter.as_json(), details) as entry:
        pace = Pace(options.rate, options.oldest, time.monotonic)
        yield from _steps(Sending(session, topics, selection, entry, pace, stop), options)


def _details(selection: Selection, options: Options) -> dict[str, Any]:
    details = {
        "limit": selection.limit,
        "rate": options.rate,
        "canary": options.canary,
        "forced": selection.most_replays is None,
    }
    return {name: value for name, value in details.items() if value}


def _steps(sending: Sending, options: Options) -> Generator[Step, None, None]:
    session, replay_id, stop = sending.session, sending.entry.id, sending.stop
    wanted = sending.selection.size
    if options.canary and not (yield from _canary(sending, min(options.canary, wanted), options)):
        return
    yield from map(BatchSent, sending.send(wanted - sending.sent))
    if stop.is_set():
        yield Interrupted(sending.sent, wanted)
        return
    waited = options.wait > 0
    found = (
        wait_until_settled(session, replay_id, options.wait, stop) if waited else settled(session, replay_id)
    )
    yield Done(replay_id, sending.sent, found, waited, tuple(sending.refused))


def _canary(sending: Sending, number: int, options: Options) -> Generator[Step, None, bool]:
    """Returns whether the rest may follow."""
    replay_id, stop, wanted = sending.entry.id, sending.stop, sending.selection.size
    yield from map(BatchSent, sending.send(number))
    if not stop.is_set():
        yield CanarySent(sending.sent)
        found = wait_until_settled(sending.session, replay_id, options.wait or CANARY_WAIT, stop)
        if not stop.is_set():
            canary = CanarySettled(replay_id, sending.sent, wanted - sending.sent, found)
            yield canary
            return canary.passed
    yield Interrupted(sending.sent, wanted)
    return False
