"""The publish call. Only the sending thread imports this, when it has something to send: it takes 0.3 s to load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.api_core.exceptions import Forbidden, InvalidArgument, NotFound, Unauthenticated
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import pubsub_v1
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.types import PublishRequest, PubsubMessage

from prompt_worker.platform import telemetry
from prompt_worker.publishing.message import Message, UnpublishableError
from prompt_worker.publishing.processes import spool_bytes, unsent

_Request: Any = PublishRequest.pb()
_Message: Any = PubsubMessage.pb()

# Here, since OpenTelemetry comes with the client library, which is loaded late.
telemetry.watch("unsent_events", unsent)
telemetry.watch("spool", spool_bytes)


class Connection:
    """To one topic."""

    def __init__(self, project: str, topic: str) -> None:
        self._client = pubsub_v1.PublisherClient()
        self._path = self._client.topic_path(project, topic)

    def publish(self, messages: Sequence[Message], timeout: float) -> list[str]:
        """The message ids, within `timeout` seconds.

        Raises `UnpublishableError`, or whatever keeps Pub/Sub from taking the messages now.
        """
        request = _Request(
            topic=self._path,
            messages=[_Message(data=bytes(each.data), attributes=each.attributes) for each in messages],
        )
        try:
            # The generated call: the client's own `publish` would queue and batch a second time.
            response = PublisherClient.publish(
                self._client, PublishRequest.wrap(request), retry=None, timeout=timeout
            )
        except InvalidArgument as error:
            raise UnpublishableError("Pub/Sub refuses it as invalid") from error
        return list(response.message_ids)

    def close(self) -> None:
        self._client.transport.close()


def advice(error: Exception, project: str, topic: str) -> str:
    """What `error` is and what to do about it, in one line without any event's text."""
    match error:
        case NotFound():
            todo = "run `prompt-worker topics`, or set PROMPT_EXECUTIONS_TOPIC"
            return f"topic {topic} does not exist in {project}: {todo}"
        case Forbidden() | Unauthenticated():
            return f"no permission on topic {topic} in {project}: grant roles/pubsub.publisher"
        case DefaultCredentialsError():
            return "no Google credentials: set GOOGLE_APPLICATION_CREDENTIALS, or PUBSUB_EMULATOR_HOST for the emulator"
        case _:
            return type(error).__name__
