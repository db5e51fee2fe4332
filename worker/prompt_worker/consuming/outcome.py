"""What became of a message. A handler returns one outcome for each message; the consumer settles them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    WRITTEN = "written"
    DUPLICATE = "duplicate"
    SKIPPED = "skipped"  # nothing in it for this worker; acknowledged, another one dead-letters it
    RETRY = "retry"  # handed back to the broker: the worker is stopping


@dataclass(frozen=True, slots=True)
class Rejected:
    """The event itself is at fault: it goes to the dead-letter topic. Neither field holds the event's text."""

    error_class: str
    reason: str


Outcome = Verdict | Rejected
