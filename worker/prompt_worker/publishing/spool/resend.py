"""A spooled segment on its way to Pub/Sub."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from msgspec import DecodeError
from msgspec.json import Decoder

from prompt_worker.publishing.delivery import AwayError, Post
from prompt_worker.publishing.losses import Drops
from prompt_worker.publishing.message import Message, UnpublishableError
from prompt_worker.publishing.outbox import BATCH_BYTES, BATCH_EVENTS
from prompt_worker.publishing.spool.spool import Segment

log = logging.getLogger(__name__)

_read = Decoder(Message).decode


def resend(segment: Segment, post: Post, drops: Drops) -> int:
    """Sends all of it and removes it; returns how many went out.

    Where Pub/Sub goes away half-way, the segment stays whole: what was sent comes twice, and the worker knows it by
    its event id.
    """
    sent = 0
    try:
        for batch in _batches(_messages(segment, drops)):
            for message, result in zip(batch, post.send(batch), strict=True):
                if isinstance(result, UnpublishableError):
                    drops.refuse(message.attributes.get("ce-id"), None, result, str(result))
                else:
                    sent += 1
    except AwayError:
        segment.release()
    else:
        segment.remove()
    return sent


def _messages(segment: Segment, drops: Drops) -> Iterator[Message]:
    for number, line in enumerate(segment.lines(), start=1):
        try:
            yield _read(line)
        except DecodeError:  # torn when its writer was killed, or damaged since
            drops.give_up([(f"line {number} of {segment.path.name}", None)], "unreadable in the spool")


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
