"""Dead letters sent again to the topic of their events, a batch in a transaction: locked, published, marked, committed.

So nothing is marked that was not sent, and what two operators replay at the same time is sent by one of them. A crash
between publishing and commit sends a batch twice: its events are duplicates then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from google.api_core.exceptions import GoogleAPIError, ServerError, TooManyRequests
from google.cloud.pubsub_v1 import PublisherClient
from google.pubsub_v1.types import PubsubMessage
from psycopg2.extensions import cursor
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from prompt_worker.deadletters.audit import AuditEntry, Effect
from prompt_worker.deadletters.filters import LOWEST_ID, WorkerName
from prompt_worker.deadletters.kinds import KINDS
from prompt_worker.deadletters.replay.pace import Pace
from prompt_worker.deadletters.replay.provenance import Provenance
from prompt_worker.deadletters.replay.selection import BATCH, DeadLetter, Selection
from prompt_worker.deadletters.replay.settling import oldest_unsettled
from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.process.wakeup import Wakeup
from prompt_worker.platform.pubsub.topic import Topic
from prompt_worker.platform.pubsub.topology import Topology

PUBLISH_TIMEOUT = 5.0  # seconds of one attempt, and of all together: the rows are locked meanwhile

# A frozen replay must not hold back the workers, which settle the same rows.
_END_WHEN_FROZEN = "SET LOCAL idle_in_transaction_session_timeout = '20s'"
_MARK = statement(__name__, "mark_replayed")
_retrying = Retrying(
    retry=retry_if_exception_type((ServerError, TooManyRequests)),
    wait=wait_random_exponential(multiplier=0.1, max=1.0),
    stop=stop_after_delay(PUBLISH_TIMEOUT),
    reraise=True,
)


def topics_of(client: PublisherClient, topology: Topology) -> dict[WorkerName, Topic]:
    """Where the dead letters of each worker are sent again."""
    return {
        worker: Topic(client, topology.topic_path(kind.topic_of(topology.names)))
        for worker, kind in KINDS.items()
    }


@dataclass
class Sending:
    """Sends the dead letters of one replay; a set `stop` ends it between two batches."""

    session: Session
    # By the worker that rejected them.
    topics: Mapping[WorkerName, Topic]
    selection: Selection
    entry: AuditEntry
    pace: Pace
    stop: Wakeup

    def __post_init__(self) -> None:
        self.sent = 0
        # Those that Pub/Sub does not accept: they stay as they are.
        self.refused: list[UUID] = []
        self._provenance = Provenance(self.entry.by, self.entry.id)
        self._after = LOWEST_ID

    def send(self, most: int) -> Iterator[int]:
        """Sends at most `most` of those that are left and yields the size of each batch. Raises `DeploymentError`."""
        goal = self.sent + most
        fruitless = False
        while self.sent < goal and not self.stop.is_set():
            self._keep_pace()
            if self.stop.wait(self.pace.wait()):
                return
            room = self.pace.room(min(BATCH, goal - self.sent))
            last, sent = self.session.once(partial(self._send_batch, number=room))
            if last is not None:
                self._after = last
            if sent:
                self.sent += sent
                self.pace.sent(sent)
                fruitless = False
                yield sent
            elif last is None and fruitless:
                return
            elif last is None:
                # Once more from the beginning: another transaction may have held some for a moment.
                self._after = LOWEST_ID
                fruitless = True

    def _send_batch(self, cursor: cursor, number: int) -> tuple[UUID | None, int]:
        """The id of the last one, None where there is no other, and how many were sent."""
        cursor.execute(_END_WHEN_FROZEN)
        found = self.selection.lock(cursor, self._after, number)
        if not found:
            return None, 0
        batch = [letter for letter in found if letter.id not in self.refused]
        refused = {batch[position].id for position in self._publish(batch)}
        sent = [letter for letter in batch if letter.id not in refused]
        cursor.execute(_MARK, {"replay": self.entry.id, "ids": [letter.id for letter in sent]})
        self.entry.record(
            cursor,
            [
                Effect(letter.id, letter.event_id, "refused", "Pub/Sub does not accept it")
                if letter.id in refused
                else Effect(letter.id, letter.event_id, "sent")
                for letter in batch
            ],
        )
        self.refused += refused
        return found[-1].id, len(sent)

    def _publish(self, batch: list[DeadLetter]) -> list[int]:
        """The positions of those that Pub/Sub refuses, once it has all others."""
        by_topic: dict[str, list[int]] = {}
        for position, letter in enumerate(batch):
            by_topic.setdefault(self.topics[letter.consumer].path, []).append(position)
        return [
            positions[refused]
            for positions in by_topic.values()
            for refused in self._publish_to(
                self.topics[batch[positions[0]].consumer], [batch[position] for position in positions]
            )
        ]

    def _publish_to(self, topic: Topic, batch: list[DeadLetter]) -> list[int]:
        messages = [self._message(letter) for letter in batch]
        try:
            return _retrying(topic.publish, messages, timeout=PUBLISH_TIMEOUT, retry=False)
        except GoogleAPIError as error:
            raise DeploymentError(
                f"Pub/Sub does not accept the events: {type(error).__name__} from {topic.path}. "
                f"{self.sent:,} were sent before and are marked, no other is; run the command again to send the rest. "
                "'prompt-worker doctor' checks the topic and the right to publish to it."
            ) from None

    def _message(self, letter: DeadLetter) -> PubsubMessage:
        attributes = self._provenance.attributes(letter.attributes, letter.replay_count, len(letter.payload))
        return PubsubMessage(data=letter.payload, attributes=attributes)

    def _keep_pace(self) -> None:
        if self.pace.due():
            self.pace.adapt(oldest_unsettled(self.session, self.entry.id))
