"""The client for services: hands events over in microseconds, never raises into the caller's path, never blocks it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from uuid import UUID

from prompt_worker.event.execution import ExecutionEvent
from prompt_worker.event.refusal import InvalidEventError
from prompt_worker.publishing.delivery import Delivery
from prompt_worker.publishing.encoding.body import make_body
from prompt_worker.publishing.outbox import Outbox, Pending
from prompt_worker.publishing.processes import ProcessLocal
from prompt_worker.publishing.sender import Sender
from prompt_worker.publishing.spool.backlog import SPOOLED
from prompt_worker.publishing.target import read_target
from prompt_worker.publishing.timing import timed
from prompt_worker.publishing.tracing import carry_on

if TYPE_CHECKING:
    from prompt_worker.publishing.connection import Connection

__all__ = ["SPOOLED", "Counts", "Publisher", "Unsent"]


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
    """Publishes execution events to the topic; one for each service, used from any thread, also after a fork.

    Unset arguments come from the environment: `project` from PUBSUB_PROJECT_ID or GOOGLE_CLOUD_PROJECT, `topic` (a
    name) from PROMPT_EXECUTIONS_TOPIC, `spool` (a folder) from PROMPT_WORKER_SPOOL, `source` (the service's name, in
    CloudEvents' sense, and the `service` of events that have none) from PROMPT_WORKER_SERVICE, OTEL_SERVICE_NAME or
    K_SERVICE.

    At most `max_events` events and `max_bytes` bytes wait in memory. While Pub/Sub is unavailable they wait in the
    spool, at most `spool_bytes`, or without one in memory. `linger` is how many seconds a first event waits for
    others to share its request, `timeout` how many a request may take.

    Raises `SettingsError` for settings that are missing or cannot be used; touches no network.
    """

    def __init__(
        self,
        project: str | None = None,
        topic: str | None = None,
        *,
        source: str | None = None,
        spool: str | os.PathLike[str] | None = None,
        max_events: int = 20_000,
        max_bytes: int = 64_000_000,
        spool_bytes: int = 1_000_000_000,
        linger: float = 0.01,
        timeout: float = 10.0,
    ) -> None:
        self._target = read_target(project, topic, source, spool)
        self._limits = max_events, max_bytes, spool_bytes
        self._linger, self._timeout = linger, timeout
        self._own = ProcessLocal(self._new_sender)

    def publish(self, event: ExecutionEvent) -> Future[str]:
        """Hands `event` over; it may be changed or reused afterwards.

        The future's result is Pub/Sub's message id, or `SPOOLED` when the event waits on disk. It fails with
        `InvalidEventError` for an event the worker would reject, and with `NotPublishedError` for one given up.
        """
        future: Future[str] = Future()
        event_id = None
        try:
            given = getattr(event, "event_id", None)
            event_id = given if isinstance(given, UUID) else None
            body, cut = make_body(event)
            attributes = carry_on(future, event_id)
            if cut:
                attributes["truncated-fields"] = ",".join(cut)
            self._own.sender.put(Pending(event_id, body, attributes, future))
        except Exception as error:
            # What others raise may quote the event.
            reason = str(error) if isinstance(error, InvalidEventError) else type(error).__name__
            self._own.sender.losses.refuse(event_id, future, error, reason)
        return future

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
        sender = self._own.sender
        return Counts(sender.published, sender.backlog.spooled, sender.losses.given_up, sender.losses.refused)

    def flush(self, timeout: float = 10.0) -> bool:
        """Waits until every event is published, also spooled ones; False when `timeout` seconds were not enough."""
        return self._own.sender.flush(timeout)

    def close(self, timeout: float = 10.0) -> Unsent:
        """Publishes what it can within `timeout` seconds; returns what is left. Later events are spooled or fail."""
        sender = self._own.sender
        return Unsent(sender.stop(timeout), sender.losses.given_up)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _new_sender(self) -> Sender:
        max_events, max_bytes, spool_bytes = self._limits
        folder, spool = self._target.spool, None
        if folder is not None:
            # It needs file locks, which Windows does not have.
            from prompt_worker.publishing.spool.spool import Spool

            spool = Spool(folder, spool_bytes)
        delivery = Delivery(self._connect, self._timeout)
        return Sender(delivery, self._target.source, Outbox(max_events, max_bytes), spool, self._linger)

    def _connect(self) -> Connection:
        # Late, on the sending thread: the client library and OpenTelemetry take 0.3 s to load.
        from prompt_worker.publishing import gauges
        from prompt_worker.publishing.connection import Connection

        gauges.watch()
        return Connection(self._target.project, self._target.topic)
