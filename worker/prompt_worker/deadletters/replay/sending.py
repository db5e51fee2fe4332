"""Dead letters sent again to `prompt-executions`, a portion in a transaction: locked, published, marked, committed.

So nothing is marked that was not sent, and what two operators replay at once is sent by one of them. A crash between
publishing and commit sends a portion twice: its events are duplicates then.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from google.api_core.exceptions import GoogleAPIError, ServerError, TooManyRequests
from google.pubsub_v1.types import PubsubMessage
from psycopg2.extensions import cursor
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from prompt_worker.commands.progress import Tell
from prompt_worker.deadletters.audit import Action
from prompt_worker.deadletters.replay.pace import Pace
from prompt_worker.deadletters.replay.provenance import Provenance
from prompt_worker.deadletters.replay.selection import FIRST, PORTION, DeadLetter, Selection
from prompt_worker.deadletters.replay.settling import oldest_unsettled
from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.process.wakeup import Wakeup
from prompt_worker.platform.pubsub.topic import Topic

PUBLISH_TIMEOUT = 5.0  # seconds of one attempt, and of all together: the rows are locked meanwhile

# A frozen replay must not hold back the workers, which settle the same rows.
_LET_GO = "SET LOCAL idle_in_transaction_session_timeout = '20s'"
_MARK = statement(__name__, "mark_replayed")
_retrying = Retrying(
    retry=retry_if_exception_type((ServerError, TooManyRequests)),
    wait=wait_random_exponential(multiplier=0.1, max=1.0),
    stop=stop_after_delay(PUBLISH_TIMEOUT),
    reraise=True,
)


@dataclass
class Replay:
    """One replay; `stop` ends it between two portions, `tell` hears how many each sent."""

    session: Session
    topic: Topic
    selection: Selection
    action: Action
    pace: Pace
    stop: Wakeup
    tell: Tell

    def __post_init__(self) -> None:
        self.sent = 0
        self._provenance = Provenance(self.action.by, self.action.id)
        self._after = FIRST

    def send(self, most: int) -> None:
        """At most so many of those that are left. Raises `DeploymentError`."""
        goal = self.sent + most
        fruitless = False
        while self.sent < goal and not self.stop.is_set():
            self._keep_pace()
            if self.stop.wait(self.pace.wait()):
                return
            room = self.pace.room(min(PORTION, goal - self.sent))
            portion = self.session.once(partial(self._send_portion, number=room))
            if portion:
                self._after = portion[-1].id
                self.sent += len(portion)
                self.pace.sent(len(portion))
                self.tell(len(portion))
                fruitless = False
            elif fruitless:
                return
            else:  # once more from the beginning: another transaction may have held some for a moment
                self._after = FIRST
                fruitless = True

    def _send_portion(self, cursor: cursor, number: int) -> list[DeadLetter]:
        cursor.execute(_LET_GO)
        portion = self.selection.lock(cursor, self._after, number)
        if portion:
            self._publish(portion)
            cursor.execute(_MARK, {"replay": self.action.id, "ids": [letter.id for letter in portion]})
            self.action.record(cursor, [(letter.id, letter.event_id, "sent", None) for letter in portion])
        return portion

    def _publish(self, portion: list[DeadLetter]) -> None:
        messages = [self._message(letter) for letter in portion]
        try:
            _retrying(self.topic.publish, messages, timeout=PUBLISH_TIMEOUT, retry=False)
        except GoogleAPIError as error:
            raise DeploymentError(
                f"Pub/Sub does not take the events: {type(error).__name__} from {self.topic.path}. "
                f"{self.sent:,} were sent before and are marked, no other is; run the command again to go on. "
                "'prompt-worker doctor' checks the topic and the right to publish to it."
            ) from None

    def _message(self, letter: DeadLetter) -> PubsubMessage:
        attributes = self._provenance.attributes(letter.attributes, letter.replay_count, len(letter.payload))
        return PubsubMessage(data=letter.payload, attributes=attributes)

    def _keep_pace(self) -> None:
        if self.pace.due():
            self.pace.adapt(self.session.run(lambda cursor: oldest_unsettled(cursor, self.action.id)))
