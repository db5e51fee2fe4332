"""Messages of a batch as events: a reason for each that is none, and which repeat another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Outcome, Rejected
from prompt_worker.consuming.settling import Repeats
from prompt_worker.event.identified import Identified
from prompt_worker.event.refusal import InvalidEventError
from prompt_worker.platform import telemetry

Event = TypeVar("Event", bound=Identified)


def new_events(
    messages: Sequence[Message],
    positions: Sequence[int],
    outcomes: list[Outcome],
    repeats: Repeats,
    read: Callable[[Message], Event],
) -> Iterator[tuple[int, Event]]:
    """Each event of these positions once, with its position.

    Sets the outcome of what `read` refuses by `InvalidEventError`, and lists the repeats.
    """
    first_positions: dict[int, int] = {}
    for position in positions:
        try:
            event = read(messages[position])
        except InvalidEventError as error:
            outcomes[position] = Rejected(error.error_class, str(error))
            continue
        first = first_positions.setdefault(event.event_id.int, position)
        if first == position:
            yield position, event
        else:
            repeats.append((position, first))


def read_event(
    message: Message,
    *,
    event_type: str,
    parse: Callable[[bytes, datetime], tuple[Event, int]],
    received_at: datetime,
) -> Event:
    """The event of `event_type` in a message. Raises `InvalidEventError`."""
    if message.attributes.get("ce-type", event_type) != event_type:
        raise InvalidEventError(
            "wrong_event_type", f"ce-type is not {event_type}, the version this worker reads"
        )
    event, replaced = parse(message.data, received_at)
    if replaced:
        telemetry.count("replaced_characters", replaced)
    return event
