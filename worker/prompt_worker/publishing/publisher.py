"""The client for services: hands events over in microseconds, never raises into the caller's path, never blocks it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar
from uuid import UUID

from prompt_worker.event.execution import ExecutionEvent
from prompt_worker.event.feedback import SOURCE_LENGTH, FeedbackEvent
from prompt_worker.event.moment import now
from prompt_worker.event.refusal import InvalidEventError
from prompt_worker.platform.uuid7 import uuid7
from prompt_worker.publishing.delivery import Delivery
from prompt_worker.publishing.encoding.body import make_body
from prompt_worker.publishing.encoding.feedback import make_feedback_body, make_feedback_message
from prompt_worker.publishing.encoding.message import make_message
from prompt_worker.publishing.outbox import Outbox, Pending
from prompt_worker.publishing.processes import ProcessLocal
from prompt_worker.publishing.sender import MakeMessage, Sender
from prompt_worker.publishing.spool.backlog import SPOOLED
from prompt_worker.publishing.target import EXECUTIONS_TOPIC, FEEDBACK_TOPIC, Target, read_targets
from prompt_worker.publishing.timing import timed
from prompt_worker.publishing.tracing import carry_on

if TYPE_CHECKING:
    from prompt_worker.publishing.connection import Connection

__all__ = ["SPOOLED", "Counts", "Publisher", "Unsent"]

Event = TypeVar("Event", ExecutionEvent, FeedbackEvent)


class Counts(NamedTuple):
    """What became of events in this process. A spooled one counts as `published` too once it is."""

    published: int
    spooled: int
    given_up: int
    refused: int


class Unsent(NamedTuple):
    """`spooled` events wait on disk for the next process; `given_up` ones are lost, each with its id in the log."""

    spooled: int
    given_up: int


class Publisher:
    """Publishes executions and feedback to their topics; one for each service, used from any thread, also after a fork.

    Unset arguments come from the environment: `project` from PUBSUB_PROJECT_ID or GOOGLE_CLOUD_PROJECT, `topic` (a
    name) from PROMPT_EXECUTIONS_TOPIC, `feedback_topic` from PROMPT_FEEDBACK_TOPIC, `spool` (a folder) from
    PROMPT_WORKER_SPOOL, `source` (the service's name, in CloudEvents' sense, and the `service` of events that have
    none) from PROMPT_WORKER_SERVICE, OTEL_SERVICE_NAME or K_SERVICE.

    At most `max_events` events and `max_bytes` bytes of each kind wait in memory. While Pub/Sub is unavailable they
    wait in the spool, at most `spool_bytes` of each, or without one in memory. `linger` is how many seconds a first
    event waits for others to share its request, `timeout` how many a request may take.

    Raises `SettingsError` for settings that are missing or cannot be used; touches no network.
    """

    def __init__(
        self,
        project: str | None = None,
        topic: str | None = None,
        *,
        source: str | None = None,
        feedback_topic: str | None = None,
        spool: str | os.PathLike[str] | None = None,
        max_events: int = 20_000,
        max_bytes: int = 64_000_000,
        spool_bytes: int = 1_000_000_000,
        linger: float = 0.01,
        timeout: float = 10.0,
    ) -> None:
        executions, feedback = read_targets(project, topic, feedback_topic, source, spool)
        self._service = executions.source
        self._limits = max_events, max_bytes, spool_bytes
        self._linger, self._timeout = linger, timeout
        self._executions = ProcessLocal(partial(self._new_sender, make_message, executions, EXECUTIONS_TOPIC))
        self._feedback = ProcessLocal(
            partial(self._new_sender, make_feedback_message, feedback, FEEDBACK_TOPIC)
        )

    def publish(self, event: ExecutionEvent) -> Future[str]:
        """Hands `event` over; it may be changed or reused afterwards.

        The future's result is Pub/Sub's message id, or `SPOOLED` when the event waits on disk. It fails with
        `InvalidEventError` for an event the worker would reject, and with `NotPublishedError` for one given up.
        """
        return _hand_over(event, make_body, self._executions, "execution")

    def feedback(
        self,
        *,
        request_id: UUID | str,
        name: str,
        value: float,
        source: str | None = None,
        at: datetime | None = None,
        event_id: UUID | None = None,
    ) -> Future[str]:
        """Hands over what somebody says about a request: `value` from -1 to 1, or True or False, under `name`.

        `request_id` is that of its executions, published by any service, before or later. `source` says who judges,
        such as `user`; by default this service. Of what one source says under one name about a request the last one
        by its time `at` counts. The future is that of `publish`. The same `event_id` twice is one feedback.
        """
        event = FeedbackEvent(
            request_id=request_id,  # type: ignore[arg-type]
            name=name,
            value=value,
            source=self._service[:SOURCE_LENGTH] if source is None else source,
            at=now() if at is None else at,
            event_id=uuid7() if event_id is None else event_id,
        )
        return _hand_over(event, make_feedback_body, self._feedback, "feedback")

    @contextmanager
    def execution(
        self,
        *,
        template_name: str,
        template_version: int,
        rendered_prompt: str,
        input_variables: dict[str, Any],
        **fields: Any,
    ) -> Iterator[ExecutionEvent]:
        """Times a prompt: publishes the event it yields when the block ends, with `execution_time_ms`.

        An exception, also a cancelled task or Ctrl-C since the model was called, makes it a `failure` with
        `error_type` and `error_message` and is raised on. A stream that its reader leaves before its end is
        `partial`. What the block sets itself is kept. `fields` are other fields of `ExecutionEvent`.
        """
        event = ExecutionEvent(
            template_name=template_name,
            template_version=template_version,
            rendered_prompt=rendered_prompt,
            input_variables=input_variables,
            **{"status": "success", **fields},
        )
        with timed(event, self.publish):
            yield event

    @property
    def counts(self) -> Counts:
        """Of executions and feedback together."""
        counts = [
            (each.published, each.backlog.spooled, each.losses.given_up, each.losses.refused)
            for each in self._senders()
        ]
        return Counts(*map(sum, zip(*counts, strict=True)))

    def flush(self, timeout: float = 10.0) -> bool:
        """Waits until every event is published, also spooled ones; False when `timeout` seconds were not enough."""
        until = time.monotonic() + timeout
        return all(
            sender.flush(max(0.0, until - time.monotonic()))
            for sender in self._senders()
            if not sender.is_idle()
        )

    def close(self, timeout: float = 10.0) -> Unsent:
        """Publishes what it can within `timeout` seconds; returns what is left. Later events are spooled or fail."""
        until = time.monotonic() + timeout
        spooled = self._executions.sender.stop(timeout)
        # Few services give feedback: the others' folder for it is left alone.
        if not self._feedback.sender.stop_unused():
            spooled += self._feedback.sender.stop(max(0.0, until - time.monotonic()))
        return Unsent(spooled, sum(sender.losses.given_up for sender in self._senders()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _senders(self) -> tuple[Sender, Sender]:
        return self._executions.sender, self._feedback.sender

    def _new_sender(self, make_message: MakeMessage, target: Target, setting: str) -> Sender:
        max_events, max_bytes, spool_bytes = self._limits
        folder, spool = target.spool, None
        if folder is not None:
            # It needs file locks, which Windows does not have.
            from prompt_worker.publishing.spool.spool import Spool

            spool = Spool(folder, spool_bytes)
        delivery = Delivery(partial(_connect, target, setting), self._timeout)
        outbox = Outbox(max_events, max_bytes)
        return Sender(delivery, make_message, target.source, outbox, spool, linger=self._linger)


def _connect(target: Target, setting: str) -> Connection:
    # Late, on the sending thread: the client library and OpenTelemetry take 0.3 s to load.
    from prompt_worker.publishing import gauges
    from prompt_worker.publishing.connection import Connection

    gauges.watch()
    return Connection(target.project, target.topic, setting)


def _hand_over(
    event: Event, make: Callable[[Event], tuple[bytes, list[str]]], own: ProcessLocal, what: str
) -> Future[str]:
    """Never raises. The future of `publish`."""
    future: Future[str] = Future()
    event_id = None
    try:
        given = getattr(event, "event_id", None)
        event_id = given if isinstance(given, UUID) else None
        body, cut = make(event)
        attributes = carry_on(future, event_id, what)
        if cut:
            attributes["truncated-fields"] = ",".join(cut)
        own.sender.put(Pending(event_id, body, attributes, future))
    except Exception as error:
        # What others raise may quote the event.
        reason = str(error) if isinstance(error, InvalidEventError) else type(error).__name__
        own.sender.losses.refuse(event_id, future, error, reason)
    return future
