"""A spooled segment on its way to Pub/Sub."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from msgspec import DecodeError
from msgspec.json import Decoder

from prompt_worker.publishing.delivery import Delivery
from prompt_worker.publishing.errors import UnavailableError, UnpublishableError
from prompt_worker.publishing.losses import Losses
from prompt_worker.publishing.message import Message
from prompt_worker.publishing.outbox import BATCH_BYTES, BATCH_EVENTS
from prompt_worker.publishing.spool.spool import Segment

log = logging.getLogger(__name__)

_read = Decoder(Message).decode


def resend(segment: Segment, delivery: Delivery, losses: Losses) -> int:
    """Sends all of it and removes it; returns how many went out.

    If Pub/Sub becomes unavailable half-way, the segment stays whole: some events are then sent twice, and the worker
    recognizes them by their ids.
    """
    sent = 0
    try:
        for batch in _batches(_messages(segment, losses)):
            for message, result in zip(batch, delivery.send(batch), strict=True):
                if isinstance(result, UnpublishableError):
                    losses.refuse(message.attributes.get("ce-id"), None, result, str(result))
                else:
                    sent += 1
    except UnavailableError:
        segment.release()
    else:
        segment.remove()
    return sent


def _messages(segment: Segment, losses: Losses) -> Iterator[Message]:
    for number, line in enumerate(segment.lines(), start=1):
        try:
            yield _read(line)
        # Torn when its writer was killed, or damaged since.
        except DecodeError:
            losses.give_up([(f"line {number} of {segment.path.name}", None)], "unreadable in the spool")


def _batches(messages: Iterator[Message]) -> Iterator[list[Message]]:
    batch: list[Message] = []
    size = 0
    for message in messages:
        length = len(bytes(message.data))
        if batch and (len(batch) >= BATCH_EVENTS or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += length
    if batch:
        yield batch
