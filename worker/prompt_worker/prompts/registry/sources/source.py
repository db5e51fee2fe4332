"""What every source does, and what they share."""

from __future__ import annotations

import random
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from prompt_worker.prompts.registry.document import Document, Position
from prompt_worker.prompts.registry.waking import Waking

# Between two questions for what is new. With jitter: processes that started together do not ask together for ever.
POLL_SECONDS = 4.0
JITTER = 0.2


class Known(NamedTuple):
    """What was read last. `tag` is the source's own mark of it."""

    position: Position
    tag: str | None


class Fetched(NamedTuple):
    """A document, and the source's mark of it."""

    document: Document
    tag: str | None = None


class Source(Protocol):
    """Used by one thread. `name` is its address without any secret.

    `age_seconds`: how old what it said last was when it said it.
    """

    name: str
    age_seconds: float

    def fetch(self, known: Known | None) -> Fetched | None:
        """The document; None when it is still the known one.

        Ends within seconds, whatever the other side does. Raises `SourceError` and `DocumentError`.
        """

    def wait(self, known: Known, waking: Waking) -> bool:
        """Returns when it is time to ask again, or once `waking` is set; False when it said that nothing is new.

        Raises `SourceError`.
        """

    def close(self) -> None:
        """Ends what may hang, from any thread; afterwards the source is of no use."""

    def forget(self) -> None:
        """In a forked child: what the parent holds open is the parent's."""


class Polled:
    """A source that holds nothing open: it is asked again after a pause."""

    def wait(self, known: Known, waking: Waking) -> bool:
        waking.wait(pause())
        return True

    def close(self) -> None:
        pass

    def forget(self) -> None:
        pass


def pause() -> float:
    """Seconds."""
    return POLL_SECONDS * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret


def without_secrets(address: str) -> str:
    """Scheme, hosts and path: no login, no options."""
    scheme, _, rest = address.partition("://")
    try:
        path = urlsplit(address).path
    except ValueError:
        return f"{scheme}://…"
    host = rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
    return f"{scheme}://{host}{path}"
