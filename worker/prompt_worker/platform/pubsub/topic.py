"""A topic: messages out, in requests of a size that Pub/Sub accepts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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

    def publish(self, messages: Sequence[PubsubMessage], *, timeout: float, retry: bool = True) -> None:
        """Returns once Pub/Sub has them all; without `retry`, one attempt of `timeout` seconds for each request.

        Raises `google.api_core.exceptions.GoogleAPIError`.
        """
        for request in _requests(messages):
            # The generated client's: all of them in one request, without the batching of `PublisherClient.publish`.
            GeneratedClient.publish(
                self._client,
                topic=self.path,
                messages=request,
                timeout=timeout,
                retry=DEFAULT if retry else None,
            )


def _requests(messages: Sequence[PubsubMessage]) -> Iterator[list[PubsubMessage]]:
    """The messages of each request, in their order."""
    request: list[PubsubMessage] = []
    size = 0
    for message in messages:
        bytes_ = PubsubMessage.pb(message).ByteSize()
        if request and (size + bytes_ > REQUEST_BYTES or len(request) == limits.REQUEST_MESSAGES):
            yield request
            request, size = [], 0
        request.append(message)
        size += bytes_
    if request:
        yield request
