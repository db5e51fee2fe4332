"""Why messages are not with Pub/Sub. No message text holds any of an event's own."""

from __future__ import annotations


class UnavailableError(Exception):
    """Pub/Sub does not accept messages now; says why, and what to do about it."""


class UnpublishableError(Exception):
    """Pub/Sub will never accept this message as it is."""


class NotPublishedError(Exception):
    """The event was given up: it is neither published nor on disk. The message says why."""
