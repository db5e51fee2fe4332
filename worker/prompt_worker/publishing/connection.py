"""The publish call. Only the sending thread imports this, when it has something to send: it takes 0.3 s to load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from google.api_core.exceptions import Forbidden, InvalidArgument, NotFound, Unauthenticated
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import pubsub_v1
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.types import PublishRequest, PubsubMessage

from prompt_worker.publishing.encoding.message import Message
from prompt_worker.publishing.errors import UnavailableError, UnpublishableError

_Request: Any = PublishRequest.pb()
_Message: Any = PubsubMessage.pb()


class Connection:
    """To one topic, which is named by `setting`. Raises `UnavailableError`, as `publish` does."""

    def __init__(self, project: str, topic: str, setting: str = "PROMPT_EXECUTIONS_TOPIC") -> None:
        self._project, self._topic, self._setting = project, topic, setting
        with self._explained():
            self._client = pubsub_v1.PublisherClient()
            self._path = self._client.topic_path(project, topic)

    def publish(self, messages: Sequence[Message], timeout: float) -> list[str]:
        """The message ids, in the order of `messages`, within `timeout` seconds.

        Raises `UnpublishableError` when Pub/Sub refuses one of the messages for good, and `UnavailableError` for
        whatever keeps it from accepting them now.
        """
        with self._explained():
            request = _Request(
                topic=self._path,
                messages=[_Message(data=bytes(each.data), attributes=each.attributes) for each in messages],
            )
            # The generated call: the client's own `publish` would queue and batch a second time.
            response = PublisherClient.publish(
                self._client, PublishRequest.wrap(request), retry=None, timeout=timeout
            )
            return list(response.message_ids)

    def close(self) -> None:
        self._client.transport.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except InvalidArgument as error:
            raise UnpublishableError("Pub/Sub refuses it as invalid") from error
        except Exception as error:
            raise UnavailableError(_advice(error, self._project, self._topic, self._setting)) from error


def _advice(error: Exception, project: str, topic: str, setting: str) -> str:
    """What `error` is and what to do about it, in one line without any event's text."""
    match error:
        case NotFound():
            todo = f"run `prompt-worker topics`, or set {setting}"
            return f"topic {topic} does not exist in {project}: {todo}"
        case Forbidden() | Unauthenticated():
            return f"no permission on topic {topic} in {project}: grant roles/pubsub.publisher"
        case DefaultCredentialsError():
            return "no Google credentials: set GOOGLE_APPLICATION_CREDENTIALS, or PUBSUB_EMULATOR_HOST for the emulator"
        case _:
            return type(error).__name__
