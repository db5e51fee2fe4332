"""What became of a message. A handler returns one outcome for each message; the consumer settles them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What became of a message that is not rejected."""

    WRITTEN = "written"
    DUPLICATE = "duplicate"
    # Nothing in it for this worker: acknowledged, and dead-lettered by another one.
    SKIPPED = "skipped"
    # Handed back to the broker: the worker is stopping.
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Rejected:
    """The event itself is at fault: it goes to the dead-letter topic. Neither field holds the event's text."""

    error_class: str
    reason: str


Outcome = Verdict | Rejected
