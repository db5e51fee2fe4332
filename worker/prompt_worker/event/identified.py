"""What every kind of event has."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID


class Identified(Protocol):
    """An event."""

    @property
    def event_id(self) -> UUID:
        """Its key."""
