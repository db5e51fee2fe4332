"""Pub/Sub's side of a push subscription, in compressed time: what is not acknowledged is sent again, for days."""

from __future__ import annotations

import heapq
import http.client
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from prompt_worker.platform.pubsub.topology import Names, Topology
from tests.support.pushing import EXECUTIONS, envelope

# At a time: Pub/Sub sends few requests to an endpoint that refuses them.
CONNECTIONS = 16
# Seconds between checks of whether a message is due.
IDLE_SECONDS = 0.002
REQUEST_SECONDS = 60.0


class Clock:
    """Pub/Sub's seconds, of which `speed` pass in a real one."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._started = time.monotonic()

    def now(self) -> float:
        return (time.monotonic() - self._started) * self.speed

    def wait_until(self, moment: float) -> None:
        time.sleep(max(0.0, (moment - self.now()) / self.speed))


@dataclass(order=True)
class Waiting:
    """A message, and when it is sent next."""

    due: float
    body: bytes = field(compare=False)
    published: float = field(compare=False)
    attempts: int = field(compare=False, default=0)


class Pushes:
    """A subscription that pushes to `port`, with the retention and the backoff that the topology declares.

    The wait after a refusal doubles from the least to the most. A status of 0 is a connection that failed.
    """

    def __init__(self, clock: Clock, port: int, token: dict[str, str]) -> None:
        declared = Topology("p", Names()).subscriptions()[0]
        self._retention = declared.message_retention_duration.total_seconds()
        self._least = declared.retry_policy.minimum_backoff.total_seconds()
        self._most = declared.retry_policy.maximum_backoff.total_seconds()
        self._clock = clock
        self._port = port
        self._token = token
        self._waiting: list[Waiting] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.unsettled = self.expired = self.most_attempts = 0
        self.settled_at = 0.0
        self.statuses: Counter[int] = Counter()
        self._threads = [threading.Thread(target=self._send_all) for _ in range(CONNECTIONS)]
        for thread in self._threads:
            thread.start()

    def publish(self, body: bytes) -> None:
        now = self._clock.now()
        with self._lock:
            self.unsettled += 1
            heapq.heappush(self._waiting, Waiting(now, body, now))

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _send_all(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=REQUEST_SECONDS)
        while not self._ended.is_set():
            message = self._next()
            if message is None:
                time.sleep(IDLE_SECONDS)
            else:
                self._settle(message, self._send(message.body, connection))
        connection.close()

    def _next(self) -> Waiting | None:
        with self._lock:
            due = self._waiting and self._waiting[0].due <= self._clock.now()
            return heapq.heappop(self._waiting) if due else None

    def _send(self, body: bytes, connection: http.client.HTTPConnection) -> int:
        try:
            connection.request("POST", EXECUTIONS, envelope(body), self._token)
            with connection.getresponse() as answer:
                answer.read()
                return answer.status
        except (OSError, http.client.HTTPException):
            connection.close()
            return 0

    def _settle(self, message: Waiting, status: int) -> None:
        now = self._clock.now()
        with self._lock:
            self.statuses[status] += 1
            message.attempts += 1
            self.most_attempts = max(self.most_attempts, message.attempts)
            expired = now - message.published > self._retention
            if status == 204 or expired:
                self.unsettled -= 1
                self.expired += status != 204
                self.settled_at = now
                return
            message.due = now + min(self._most, self._least * 2.0 ** min(message.attempts - 1, 30))
            heapq.heappush(self._waiting, message)
