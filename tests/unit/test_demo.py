"""The demonstration's messages are what its plan says: good events, repeats of them, and broken ones of each kind."""

from __future__ import annotations

from collections import Counter

import pytest

from worker import ExecutionEvent
from worker.event import EVENT_TYPE, InvalidEventError, encode, parse
from worker.local.demo import STATUSES, Plan, messages
from worker.local.demo_broken import BREAKS, Raw


@pytest.mark.parametrize("total", [0, 1, 9, 10, 49, 500, 5000])
def test_the_messages_are_as_many_of_each_as_planned(total: int) -> None:
    plan = Plan(total)
    made = list(messages(plan))
    events = [message for message in made if isinstance(message, ExecutionEvent)]
    assert len(made) == total == plan.rows + plan.duplicates + plan.bad
    assert len({event.event_id for event in events}) == plan.rows
    assert len(events) == plan.rows + plan.duplicates


def test_each_event_is_valid_and_each_status_occurs() -> None:
    events = [message for message in messages(Plan(2000)) if isinstance(message, ExecutionEvent)]
    for event in events:
        parse(encode(event))
    assert Counter(event.status for event in events).keys() == STATUSES.keys()
    assert len({event.template_name for event in events}) == 3


def test_broken_messages_are_of_many_kinds() -> None:
    reasons = set()
    for message in messages(Plan(3000)):
        if not isinstance(message, Raw):
            continue
        try:
            event, _ = parse(message.body)
        except InvalidEventError as error:
            reasons.add(str(error))
        else:  # well-formed, and still nothing that the worker may write
            assert (
                message.attributes["ce-type"] != EVENT_TYPE
                or event.template_version == 99
                or event.template_name == "essay_feedback"
            )
            reasons.add(f"{message.attributes} {event.template_version} {event.template_name}")
    assert len(reasons) == len(BREAKS)
