"""The unit of an experiment as it is recorded: short as it is, long as its hash, alike on both sides."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from prompt_worker.event.execution import parse
from prompt_worker.event.unit import recorded_unit
from prompt_worker.executions.rows import encode_row
from prompt_worker.publishing.encoding.body import make_body
from prompt_worker.publishing.encoding.message import make_message
from tests.support.events import body
from tests.support.topic import an_event

LONG = {
    "one byte more": "a" * 65,
    "as long as a field": "u" * 255,
    "longer than a field": "u" * 100_000,
    "two bytes each": "é" * 33,
    "four bytes each": "😀" * 17,
    "a line end": "a" * 64 + "\n",
}


def hashed(encoded: bytes) -> str:
    return f"sha256:{sha256(encoded).hexdigest()[:32]}"


def test_vector_of_a_long_unit() -> None:
    """For other languages; the first half of what `printf 'a%.0s' $(seq 65) | sha256sum` prints."""
    assert recorded_unit("a" * 65) == "sha256:635361c48bb9eab14198e76ea8ab7f1a"


@pytest.mark.parametrize(
    "unit", ["", "u", "a" * 64, "é" * 32, "😀" * 16, "\0", "\ud800", "0" * 16, "sha256:" + "f" * 32]
)
def test_unit_of_at_most_64_bytes_stays(unit: str) -> None:
    assert recorded_unit(unit) is unit


@pytest.mark.parametrize("unit", LONG.values(), ids=LONG)
def test_longer_unit_is_its_hash(unit: str) -> None:
    assert recorded_unit(unit) == hashed(unit.encode())
    assert recorded_unit(recorded_unit(unit)) == recorded_unit(unit)


@pytest.mark.parametrize(
    ("unit", "stored"),
    [
        ("a" * 64 + "\0", "a" * 64 + "\ufffd"),
        ("a" * 64 + "\ud800", "a" * 64 + "\ufffd"),
        ("\udc00" + "a" * 64, "\ufffd" + "a" * 64),
        ("a" * 64 + "\ud83d\ude00", "a" * 64 + "😀"),
        ("\ud83d" * 22, "\ufffd" * 22),
    ],
)
def test_what_no_column_holds_is_replaced_before_it_is_hashed(unit: str, stored: str) -> None:
    assert recorded_unit(unit) == hashed(stored.encode())


def sent(unit: str) -> str | None:
    message = make_message(make_body(an_event(assignment_unit=unit))[0], "s", {})
    return parse(bytes(message.data))[0].assignment_unit


@pytest.mark.parametrize(
    "unit", [*(unit for unit in LONG.values() if len(unit) <= 255), "a" * 64 + "\0", "u\ud800" * 40, "short"]
)
def test_service_and_worker_record_one_unit_alike(unit: str) -> None:
    """One that a publisher in Python hashed, and one that another publisher sent as it was."""
    assert sent(unit) == recorded_unit(unit)
    # json.dumps escapes what is no UTF-8.
    foreign = body(assignment_unit="@").replace(b"@", json.dumps(unit)[1:-1].encode())
    event, _ = parse(foreign)
    assert recorded_unit(unit).encode() in encode_row(event, event.event_id)


def test_publishing_a_long_unit_does_not_change_the_event() -> None:
    event = an_event(assignment_unit="u" * 300)
    make_body(event)
    assert event.assignment_unit == "u" * 300
