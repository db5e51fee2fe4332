"""When something happened, as an event says it: a time with an offset that can be true."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import Meta

from prompt_worker.event.refusal import InvalidEventError

Offset = Annotated[datetime, Meta(tz=True)]

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST_AHEAD = timedelta(days=1)
MEANING = f"RFC 3339 with an offset; from {EARLIEST:%Y} to at most a day ahead."


def now() -> datetime:
    return datetime.now(UTC)


def check_moment(moment: datetime, received_at: datetime, field: str) -> None:
    """Raises `InvalidEventError` for a time that cannot be true; `field` has it."""
    if not EARLIEST <= moment <= received_at + LATEST_AHEAD:
        raise InvalidEventError(
            "invalid_field",
            f"Expected a time after {EARLIEST:%Y-%m-%d} and at most a day ahead - at `$.{field}`",
        )
