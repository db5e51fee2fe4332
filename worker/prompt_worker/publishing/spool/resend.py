"""A spooled segment on its way to Pub/Sub."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from msgspec import DecodeError
from msgspec.json import Decoder

from prompt_worker.publishing.delivery import Delivery
from prompt_worker.publishing.encoding.message import Message
from prompt_worker.publishing.errors import UnavailableError, UnpublishableError
from prompt_worker.publishing.losses import Losses
from prompt_worker.publishing.outbox import BATCH_BYTES, BATCH_EVENTS
from prompt_worker.publishing.spool.spool import Segment

log = logging.getLogger(__name__)

_read = Decoder(Message).decode


def resend(segment: Segment, delivery: Delivery, losses: Losses) -> int:
    """Sends all of it and removes it; returns how many went out. A line that cannot be read is set aside.

    If Pub/Sub becomes unavailable half-way, the segment stays whole: some events are then sent twice, and the worker
    recognizes them by their ids. Raises OSError where the file fails; it is unlocked in any case.
    """
    sent = 0
    damaged: dict[int, bytes] = {}
    try:
        for batch in _batches(_messages(segment, damaged)):
            for message, result in zip(batch, delivery.send(batch), strict=True):
                if isinstance(result, UnpublishableError):
                    losses.refuse(message.attributes.get("ce-id"), None, result, str(result))
                else:
                    sent += 1
        _set_aside(segment, damaged, losses)
        segment.remove()
    except UnavailableError:
        pass
    finally:
        segment.release()
    return sent


def _messages(segment: Segment, damaged: dict[int, bytes]) -> Iterator[Message]:
    for number, line in enumerate(segment.lines(), start=1):
        try:
            # Nothing else looks into the body.
            line.decode()
            yield _read(line)
        # Torn when its writer was killed, or damaged since.
        except (DecodeError, UnicodeDecodeError):
            damaged[number] = line


def _set_aside(segment: Segment, damaged: dict[int, bytes], losses: Losses) -> None:
    if damaged:
        path = segment.set_aside(damaged.values())
        lines = [(f"line {number} of {segment.path.name}", None) for number in damaged]
        losses.give_up(lines, f"unreadable in the spool, kept in {path.name}")


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
