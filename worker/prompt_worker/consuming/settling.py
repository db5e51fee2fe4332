"""The frame around every handler's work: what is settled when the database fails, and what repeats follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psycopg2

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Outcome, Rejected, Verdict
from prompt_worker.platform.postgres.errors import may_pass

# Positions in the batch: of a message, and of the first one with the same event.
Repeats = list[tuple[int, int]]
# Handles the messages at these positions: sets their outcomes, and lists the repeats among them.
Handle = Callable[[Sequence[int], list[Outcome], Repeats], None]


def settle(messages: Sequence[Message], handle: Handle) -> list[Outcome]:
    """One outcome for each message.

    An outcome that is not set is a retry, also when an error of the database that may pass ends the work. Each repeat
    follows the first message of its event: a duplicate if that was written. Where that was rejected, the next one that
    differs from it takes its place: a corrected copy beside the redelivery of a bad one. Raises every other error.
    """
    outcomes: list[Outcome] = [Verdict.RETRY] * len(messages)
    positions: Sequence[int] = range(len(messages))
    while positions:
        repeats: Repeats = []
        ended = False
        try:
            handle(positions, outcomes, repeats)
        except psycopg2.Error as error:
            if not may_pass(error):
                raise
            ended = True
        positions = _follow(repeats, messages, outcomes)
        if ended:
            break
    return outcomes


def _follow(repeats: Repeats, messages: Sequence[Message], outcomes: list[Outcome]) -> list[int]:
    """Sets the outcomes of repeats; the positions of those that are events in their own right."""
    own: list[int] = []
    for position, first in repeats:
        outcome = outcomes[first]
        if isinstance(outcome, Rejected) and messages[position].data != messages[first].data:
            own.append(position)
        else:
            outcomes[position] = Verdict.DUPLICATE if outcome is Verdict.WRITTEN else outcome
    return own
