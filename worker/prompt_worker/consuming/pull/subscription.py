"""A subscription: messages in, acknowledgements out. The only file that talks to the subscriber.

Unary pulls stay open ahead of need and their answers wait in a queue, so that a batch can join what several pulls
brought within its time without ever cancelling one: a cancelled pull may strand the messages it leased. How many are
open depends on the bytes in flight (`window`).
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from math import inf
from typing import Any

import grpc
from google.cloud.pubsub_v1 import SubscriberClient
from google.protobuf.empty_pb2 import Empty
from google.pubsub_v1 import types
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from prompt_worker.consuming.message import LARGE, Message, copy, size_of
from prompt_worker.consuming.pull.leases import Leases
from prompt_worker.consuming.pull.window import Window
from prompt_worker.platform import telemetry
from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.pubsub.limits import PULL_MESSAGES, SETTLE_ACK_IDS

log = logging.getLogger(__name__)

# Seconds. The broker ends a pull for which nothing comes shortly before (the emulator a second); a stop waits for that.
# What it leases for a pull that we have given up is stranded until the ack deadline, and a busy broker may answer late:
# so a pull is given longer while much waits, which is when it is answered at once or late.
PULL_TIMEOUT = 2.0
BUSY_PULL_TIMEOUT = 6.0
# Much waits after so many answers in a row of as many messages as the emulator gives at most.
BUSY_ANSWERS = 10
FULL_ANSWER = 100
# Seconds.
ACK_TIMEOUT = 10.0

_TRANSIENT = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.CANCELLED,
}

# The generated classes wrap every field access; on the hot path the plain protobuf ones cost a quarter.
_PullRequest: Any = type(types.PullRequest.pb(types.PullRequest()))
_PullResponse: Any = type(types.PullResponse.pb(types.PullResponse()))
_AcknowledgeRequest: Any = type(types.AcknowledgeRequest.pb(types.AcknowledgeRequest()))
_ModifyAckDeadlineRequest: Any = type(types.ModifyAckDeadlineRequest.pb(types.ModifyAckDeadlineRequest()))


def open_client() -> SubscriberClient:
    """A client for messages of any size: the library's own channel to an emulator accepts answers of 4 MB at most."""
    emulator = os.environ.get("PUBSUB_EMULATOR_HOST")
    if not emulator:
        return SubscriberClient()
    channel = grpc.insecure_channel(emulator, options=[("grpc.max_receive_message_length", -1)])
    return SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, grpc.RpcError) and error.code() in _TRANSIENT


class Subscription:
    """`path` is `projects/P/subscriptions/S`; leases last `ack_deadline` seconds and are extended while held.

    While `in_flight_bytes` of messages are not settled, and while they may come by pulls that are open, no further pull
    is opened.
    """

    def __init__(
        self,
        client: SubscriberClient,
        path: str,
        *,
        ack_deadline: int,
        open_pulls: int,
        in_flight_bytes: float = inf,
    ) -> None:
        self.path = path
        self._ack_deadline = ack_deadline
        channel = client.transport.grpc_channel
        self._pull = _stub(channel, "Pull", _read_answer)
        self._acknowledge = _stub(channel, "Acknowledge", Empty.FromString)
        self._modify_ack_deadline = _stub(channel, "ModifyAckDeadline", Empty.FromString)
        self._request = _PullRequest(subscription=path, max_messages=PULL_MESSAGES)
        self._answers: queue.SimpleQueue[list[Message] | grpc.RpcError] = queue.SimpleQueue()
        self._window = Window(pulls=open_pulls, limit=in_flight_bytes)
        # The last answers, in a row, that were full; and when the last open pull ends, on the monotonic clock.
        self._full_answers = 0
        self._open_until = 0.0
        # Whether a lane waits for messages.
        self._receiving = False
        self._leases = Leases()
        self._closing = threading.Event()
        self._extender = threading.Thread(target=self._extend_leases, name="leases", daemon=True)
        self._extender.start()

    def receive(self, timeout: float) -> list[Message]:
        """What the next pull to answer brought; empty when none did within `timeout` seconds.

        Raises `DeploymentError` when the broker refuses: no such subscription, no permission.
        """
        self._receiving = True
        try:
            self._open_pulls()
            answer = self._answers.get(timeout=timeout)
        except queue.Empty:
            return []
        finally:
            self._receiving = False
        self._window.read()
        if isinstance(answer, grpc.RpcError):
            self._refuse_or_wait(answer)
            return []
        return answer

    def is_exhausted(self) -> bool:
        """Whether nothing comes before something is settled: too many bytes are in flight."""
        return not self._window.unread

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """After the commit. An acknowledgement that fails is logged: the event comes again and is a duplicate."""
        self._settle(
            [message.ack_id for message in messages],
            self._acknowledge,
            lambda ids: _AcknowledgeRequest(subscription=self.path, ack_ids=ids),
        )

    def hand_back(self, messages: Sequence[Message]) -> None:
        """They are redelivered at once, to any worker."""
        self._hand_back([message.ack_id for message in messages])

    def _hand_back(self, ids: Sequence[str]) -> None:
        self._settle(ids, self._modify_ack_deadline, lambda chunk: self._deadline(chunk, 0))

    def close(self) -> None:
        """Waits for the open pulls to end and hands back all that is not settled."""
        self._closing.set()
        while self._window.unread and (remaining := self._open_until + 0.5 - time.monotonic()) > 0:
            with suppress(queue.Empty):
                self._answers.get(timeout=remaining)
                self._window.read()
        self._hand_back(self._leases.all())
        self._extender.join()

    def _open_pulls(self) -> None:
        while self._window.open():
            timeout = BUSY_PULL_TIMEOUT if self._full_answers >= BUSY_ANSWERS else PULL_TIMEOUT
            self._open_until = max(self._open_until, time.monotonic() + timeout)
            call = self._pull.future(self._request, timeout=timeout)
            call.add_done_callback(self._answered)

    def _answered(self, call: grpc.Future[Any]) -> None:
        # On gRPC's thread, so that a lease is known, and extended, from the moment it begins.
        try:
            received, size = call.result()
        except grpc.RpcError as error:
            self._window.answered(0)
            self._answers.put(error)
            return
        self._full_answers = self._full_answers + 1 if len(received) >= FULL_ANSWER else 0
        large = size > LARGE * len(received)
        self._answers.put(self._lease_apart(received) if large else self._lease(received, size))

    def _lease(self, received: Sequence[Any], size: int) -> list[Message]:
        messages = [
            Message((message := one.message).data, message.attributes, one.ack_id, one) for one in received
        ]
        each = size // max(1, len(messages))
        self._leases.begin([message.ack_id for message in messages], each)
        self._window.answered(each * len(messages))
        return messages

    def _lease_apart(self, received: Sequence[Any]) -> list[Message]:
        messages = [copy(one) for one in received]
        sizes = [size_of(message) for message in messages]
        for message, size in zip(messages, sizes, strict=True):
            self._leases.begin([message.ack_id], size)
        self._window.answered(sum(sizes))
        return messages

    def _refuse_or_wait(self, error: grpc.RpcError) -> None:
        code = error.code()
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return
        if code not in _TRANSIENT:
            raise DeploymentError(
                f"Pub/Sub refuses to pull from {self.path}: {code.name}. Run 'prompt-worker topics' to create it, "
                "or grant roles/pubsub.subscriber on it; 'prompt-worker doctor' checks both."
            ) from error
        telemetry.count("pull_errors", code=code.name)
        log.warning("cannot pull from %s: %s; trying again", self.path, code.name)
        self._closing.wait(1.0)

    def _settle(
        self, ids: Sequence[str], call: Callable[..., Any], request: Callable[[list[str]], Any]
    ) -> None:
        for chunk in _chunks(ids):
            try:
                _retrying()(call, request(chunk), timeout=ACK_TIMEOUT)
            except grpc.RpcError as error:
                telemetry.count("settle_errors", len(chunk), code=error.code().name)
                log.warning("%d messages of %s not settled: %s", len(chunk), self.path, error.code().name)
        self._window.settled(self._leases.end(ids))
        if self._receiving:
            self._open_pulls()

    def _deadline(self, ids: list[str], seconds: int) -> Any:
        return _ModifyAckDeadlineRequest(subscription=self.path, ack_ids=ids, ack_deadline_seconds=seconds)

    def _extend_leases(self) -> None:
        # A third of the deadline: one failed extension still leaves time for the next.
        period = self._ack_deadline / 3
        while not self._closing.wait(period):
            for chunk in _chunks(self._leases.older_than(period / 2)):
                try:
                    self._modify_ack_deadline(self._deadline(chunk, self._ack_deadline), timeout=ACK_TIMEOUT)
                except grpc.RpcError as error:
                    telemetry.count("settle_errors", len(chunk), code=error.code().name)


def _stub(channel: grpc.Channel, method: str, read: Callable[[bytes], Any]) -> Any:
    return channel.unary_unary(
        f"/google.pubsub.v1.Subscriber/{method}",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=read,
    )


def _read_answer(answer: bytes) -> tuple[Sequence[Any], int]:
    """What a pull received, and its bytes."""
    return _PullResponse.FromString(answer).received_messages, len(answer)


def _retrying() -> Retrying:
    return Retrying(
        retry=retry_if_exception(_is_transient),
        wait=wait_random_exponential(multiplier=0.1, max=1.0),
        stop=stop_after_delay(3.0),
        reraise=True,
    )


def _chunks(ids: Sequence[str]) -> Iterable[list[str]]:
    return (list(ids[start : start + SETTLE_ACK_IDS]) for start in range(0, len(ids), SETTLE_ACK_IDS))
