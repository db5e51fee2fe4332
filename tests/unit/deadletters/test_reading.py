"""A dead letter is read as far as it can be, and the same one is always recognized."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import RFC_4122, UUID

import pytest

from prompt_worker.consuming.message import Message
from prompt_worker.deadletters.reading import (
    Payload,
    attributes_json,
    cause,
    event_id,
    event_key,
    general_reason,
    read_origin,
    read_payload,
)
from tests.support.events import body, id_of, with_raw

PUBLISHED = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
EARLIER = "2026-05-05T00:00:00+00:00"
MADE = {
    "dead-letter-error-class": "unknown_template",
    "dead-letter-reason": "no template t version 3",
    "dead-letter-source": "prompt-executions-writer",
    "dead-letter-message-id": "17",
    "dead-letter-first-seen": EARLIER,
    "dead-letter-last-seen": "2026-05-06T07:00:00+00:00",
}
FORWARDED = {
    "CloudPubSubDeadLetterSourceSubscription": "prompt-executions-guardrails",
    "CloudPubSubDeadLetterSourceDeliveryCount": "5",
    "CloudPubSubDeadLetterSourceTopicPublishTime": "2026-05-05T00:00:00.123+00:00",
}


def message(attributes: dict[str, str], data: bytes = b"", message_id: str = "m-1") -> Message:
    stamp = SimpleNamespace(seconds=int(PUBLISHED.timestamp()), nanos=0)
    received = SimpleNamespace(message=SimpleNamespace(message_id=message_id, publish_time=stamp))
    return Message(data, attributes, "ack", received)


def test_payload_has_the_id_template_and_environment() -> None:
    encoded = body(template_name="t", template_version=3, environment="dev")
    found = read_payload(encoded)
    assert found == Payload(id_of(encoded), "t", 3, "dev")
    assert event_key(found, encoded) == id_of(encoded)


@pytest.mark.parametrize(
    "odd",
    [
        body(status=["not", "a", "status"]),
        with_raw("model_response", b'"\\ud800\\u0000"'),
        with_raw("cost_usd", b"9" * 5000),
        body()[:-1] + b', "extra": "\xff\xfe"}',
    ],
)
def test_payload_of_an_invalid_event_still_has_its_id(odd: bytes) -> None:
    assert read_payload(odd).event_id is not None


@pytest.mark.parametrize(
    "unreadable",
    [b"", b"\xff\0not JSON", b"[1, 2]", b"null", b'"text"', b"[" * 100_000, b'{"event_id": "017"}', body()[:-9],
     b'{"event_id": 5, "template_name": [], "template_version": "3", "environment": {}}'],
)  # fmt: skip
def test_body_without_an_event_id_is_keyed_by_its_bytes(unreadable: bytes) -> None:
    found = read_payload(unreadable)
    assert found == Payload()
    key = event_key(found, unreadable)
    assert key == event_key(found, bytes(unreadable))
    assert key != event_key(found, unreadable + b" ")
    assert (key.version, key.variant) == (8, RFC_4122)


def test_event_id_of_an_unreadable_body_is_the_announced_one() -> None:
    announced = "0190b2a4-0000-7000-8000-000000000001"
    assert event_id(Payload(), {"ce-id": announced}) == UUID(announced)
    assert event_id(Payload(), {"ce-id": "1"}) is None
    encoded = body()
    assert event_id(read_payload(encoded), {"ce-id": announced}) == id_of(encoded)


def test_payload_labels_fit_their_columns() -> None:
    found = read_payload(body(template_name="x\0" * 300, environment="é" * 80, template_version=2**40))
    assert found.template_name == "x\N{REPLACEMENT CHARACTER}" * 127 + "x"
    assert found.environment == "é" * 50
    assert found.template_version is None


def test_origin_has_the_reason_that_a_worker_gave() -> None:
    origin = read_origin(message(MADE))
    assert (origin.source, origin.subscription, origin.occurrence) == (
        "worker",
        "prompt-executions-writer",
        f"17 of {EARLIER}",
    )
    assert (origin.error_class, origin.reason) == ("unknown_template", "no template t version 3")
    assert origin.first_seen == datetime(2026, 5, 5, tzinfo=UTC)
    assert origin.last_seen == datetime(2026, 5, 6, 7, tzinfo=UTC)


def test_message_forwarded_twice_is_one_occurrence() -> None:
    first = read_origin(message(FORWARDED, message_id="m-1"))
    second = read_origin(
        message(FORWARDED | {"CloudPubSubDeadLetterSourceDeliveryCount": "7"}, message_id="m-2")
    )
    assert first.occurrence == second.occurrence
    assert (first.source, first.delivery_attempts, second.delivery_attempts) == ("pubsub", 5, 7)
    assert (first.first_seen, first.last_seen) == (datetime(2026, 5, 5, 0, 0, 0, 123_000, UTC), PUBLISHED)
    assert cause("guardrails", first) == cause("guardrails", second)


def test_message_of_unknown_origin_is_a_dead_letter_too() -> None:
    origin = read_origin(message({}))
    assert (origin.source, origin.error_class, origin.occurrence) == (
        "other",
        "no_reason",
        f"m-1 of {PUBLISHED.isoformat()}",
    )
    assert origin.first_seen == origin.last_seen == PUBLISHED


@pytest.mark.parametrize(
    "odd", ["", "yesterday", "2026-01-01", "0001-01-01T00:00:00Z", "9999-01-01T00:00:00Z", "\0"]
)
def test_impossible_time_is_replaced_by_the_messages_own(odd: str) -> None:
    assert read_origin(message(MADE | {"dead-letter-first-seen": odd})).first_seen == PUBLISHED


@pytest.mark.parametrize("count", ["", "-1", "many", "9" * 30, "\N{SUPERSCRIPT TWO}"])
def test_invalid_delivery_count_is_left_out(count: str) -> None:
    origin = read_origin(message(FORWARDED | {"CloudPubSubDeadLetterSourceDeliveryCount": count}))
    assert origin.delivery_attempts is None


def test_cause_is_equal_for_reasons_that_are_alike() -> None:
    def of(reason: str, consumer: str = "executions", **attributes: str) -> int:
        return cause(consumer, read_origin(message(MADE | {"dead-letter-reason": reason} | attributes)))

    assert of("not JSON: malformed (byte 12)") == of("not JSON: malformed (byte 990)")
    assert of("no template t version 3") != of("no template t version 4")
    assert of("x") != of("x", "guardrails")
    assert of("x") != of("x", **{"dead-letter-error-class": "other"})
    assert -(2**63) <= of("x") < 2**63


def test_attributes_become_json_that_the_database_can_hold() -> None:
    assert json.loads(attributes_json({"a\0": "\0b", "é": "\n", "c": "\\u0000"})) == {
        "a\N{REPLACEMENT CHARACTER}": "\N{REPLACEMENT CHARACTER}b",
        "é": "\n",
        "c": "\\u0000",
    }


@pytest.mark.parametrize(
    ("reason", "general"),
    [
        ("not UTF-8: invalid byte, byte 22", "not UTF-8: invalid byte, byte …"),
        ("forwarded by Pub/Sub after 7 delivery attempts", "forwarded by Pub/Sub after … delivery attempts"),
        ("Expected a time after 2000-01-01", "Expected a time after 2000-01-01"),
    ],
)
def test_general_reason_leaves_out_only_varying_numbers(reason: str, general: str) -> None:
    assert general_reason(reason) == general


def test_field_of_millions_of_lists_takes_no_memory() -> None:
    odd = with_raw("environment", b"[" + b",".join([b"[]"] * 500_000) + b"]")
    tracemalloc.start()
    found = read_payload(odd)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found.event_id, found.environment) == (id_of(odd), None)
    assert most < 3 * len(odd)
