"""A topic: messages out, in requests of a size that Pub/Sub accepts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from google.api_core.exceptions import InvalidArgument
from google.api_core.gapic_v1.method import DEFAULT
from google.cloud.pubsub_v1 import PublisherClient
from google.pubsub_v1 import PublisherClient as GeneratedClient
from google.pubsub_v1.types import PubsubMessage

from prompt_worker.platform.pubsub import limits

# What frames the messages of a request has room between this and the limit.
REQUEST_BYTES = limits.REQUEST_BYTES - 1_000_000


class Topic:
    """`path` is `projects/P/topics/T`."""

    def __init__(self, client: PublisherClient, path: str) -> None:
        self.path = path
        self._client = client

    def publish(self, messages: Sequence[PubsubMessage], *, timeout: float, retry: bool = True) -> list[int]:
        """Returns once Pub/Sub has them all, but for those that it refuses alone: their positions.

        Without `retry` there is one attempt of `timeout` seconds for each request. Raises
        `google.api_core.exceptions.GoogleAPIError`; `InvalidArgument` where each of several messages is refused, which
        is the topic's fault, or where the search for the refused ones takes longer than `timeout`.
        """
        refused: list[int] = []
        waiting = list(_requests(messages))
        until: float | None = None
        while waiting:
            request = waiting.pop(0)
            try:
                self._request([messages[position] for position in request], timeout=timeout, retry=retry)
            except InvalidArgument:
                until = until or time.monotonic() + timeout
                if len(request) > 1:
                    middle = len(request) // 2
                    waiting[:0] = [request[:middle], request[middle:]]
                else:
                    refused += request
                if len(refused) == len(messages) > 1 or time.monotonic() > until:
                    raise
        return refused

    def _request(self, messages: list[PubsubMessage], *, timeout: float, retry: bool) -> None:
        # The generated client's: all of them in one request, without the batching of `PublisherClient.publish`.
        GeneratedClient.publish(
            self._client,
            topic=self.path,
            messages=messages,
            timeout=timeout,
            retry=DEFAULT if retry else None,
        )


def _requests(messages: Sequence[PubsubMessage]) -> Iterator[list[int]]:
    """The positions of each request's messages, in their order."""
    request: list[int] = []
    size = 0
    for position, message in enumerate(messages):
        bytes_ = PubsubMessage.pb(message).ByteSize()
        if request and (size + bytes_ > REQUEST_BYTES or len(request) == limits.REQUEST_MESSAGES):
            yield request
            request, size = [], 0
        request.append(position)
        size += bytes_
    if request:
        yield request
