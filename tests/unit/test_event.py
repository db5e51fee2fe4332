"""The contract: what is not an event of version 1 is refused with a reason a person understands; odd input is kept."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from prompt_worker.event.execution import ExecutionEvent, InvalidEventError, encode, parse

EVENT_ID = "0198c0de-0000-7000-8000-000000000001"


def body(**changes: Any) -> bytes:
    """An event's JSON with `changes`; a field changed to `...` is missing."""
    fields = {
        "event_id": EVENT_ID,
        "template_name": "clarifying_questions",
        "template_version": 3,
        "input_variables": {"topic": "algebra"},
        "rendered_prompt": "Ask about algebra.",
        "status": "success",
        "executed_at": "2026-03-01T10:00:00+02:00",
    } | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def with_raw(field: str, raw: str | bytes) -> bytes:
    """An event whose `field` holds these very bytes of JSON."""
    raw = raw.encode() if isinstance(raw, str) else raw
    return body(**{field: "@raw@"}).replace(b'"@raw@"', raw)


def refusal(event: bytes) -> InvalidEventError:
    with pytest.raises(InvalidEventError) as caught:
        parse(event)
    return caught.value


def ahead(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


@pytest.mark.parametrize(
    "event",
    [b"", b"{", b"event", body()[:-1], body() + b"}", body().replace(b":", b"", 1), b"\xef\xbb\xbf" + body()],
)
def test_body_that_is_not_json_is_refused(event: bytes) -> None:
    error = refusal(event)
    assert (error.error_class, str(error)[:10]) == ("invalid_json", "not JSON: ")


@pytest.mark.parametrize(
    "value", [b'"\xff"', b'"\xc3"', b'"\xed\xa0\x80"', b'"\xf5\x80\x80\x80"', b'"a\x80b"']
)
@pytest.mark.parametrize("field", ["rendered_prompt", "input_variables"])
def test_body_that_is_not_utf8_is_refused(field: str, value: bytes) -> None:
    raw = b'{"k":' + value + b"}" if field == "input_variables" else value
    error = refusal(with_raw(field, raw))
    assert error.error_class == "invalid_utf8"
    assert "byte" in str(error)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("event_id", "17"),
        ("event_id", 17),
        ("event_id", None),
        ("template_name", ""),
        ("template_name", "n" * 256),
        ("template_name", ["a"]),
        ("template_id", "not-a-uuid"),
        ("template_version", 0),
        ("template_version", -1),
        ("template_version", 1.5),
        ("template_version", 2**31),
        ("template_version", "3"),
        ("template_version", True),
        ("ab_test_group", "g" * 51),
        ("user_id", "u" * 256),
        ("user_id", 17),
        ("session_id", "s" * 256),
        ("request_id", "request-1"),
        ("input_variables", None),
        ("input_variables", []),
        ("input_variables", "{}"),
        ("input_variables", 5),
        ("rendered_prompt", None),
        ("rendered_prompt", {"text": "hello"}),
        ("model_response", 5),
        ("model", "m" * 101),
        ("provider", "p" * 101),
        ("input_tokens", -1),
        ("output_tokens", 2**31),
        ("token_count", 10**30),
        ("token_count", "many"),
        ("cost_usd", "free"),
        ("cost_usd", -0.000001),
        ("cost_usd", "-1"),
        ("cost_usd", "NaN"),
        ("cost_usd", "sNaN"),
        ("cost_usd", "Infinity"),
        ("cost_usd", "-Infinity"),
        ("cost_usd", 10_000),
        ("cost_usd", "1e400"),
        ("cost_usd", [1]),
        ("execution_time_ms", -1),
        ("execution_time_ms", 2**31),
        ("status", "ok"),
        ("status", "SUCCESS"),
        ("status", None),
        ("error_type", "e" * 101),
        ("error_message", 404),
        ("guardrail_action", "maybe"),
        ("guardrail_violations", {}),
        ("guardrail_violations", "none"),
        ("executed_at", "2026-03-01T10:00:00"),
        ("executed_at", "2026-03-01"),
        ("executed_at", "yesterday"),
        ("executed_at", 1_772_000_000),
        ("executed_at", "2026-02-30T10:00:00Z"),
        ("executed_at", "0001-01-01T00:00:00Z"),
        ("executed_at", "0001-01-01T00:00:00+23:59"),
        ("executed_at", "1999-12-31T23:59:59Z"),
        ("executed_at", "9999-12-31T23:59:59Z"),
        ("executed_at", "9999-12-31T23:59:59-23:59"),
        # Named, as every worker process of pytest-xdist must find the same tests.
        pytest.param("executed_at", ahead(days=2), id="executed_at-in two days"),
        ("environment", "e" * 51),
        ("experiment_id", "experiment-1"),
        ("experiment_id", 17),
        ("experiment_phase", 0),
        ("experiment_phase", 1.5),
        ("experiment_phase", 2**31),
        ("experiment_phase", "1"),
        ("assignment_unit", "u" * 256),
        ("assignment_unit", 17),
        ("prompt_source", "cache"),
        ("prompt_source", "LIVE"),
        ("prompt_source", ["live"]),
        ("selection", "s" * 51),
        ("selection", {"label": "production"}),
        ("registry_revision", -1),
        ("registry_revision", 2**63),
        ("registry_revision", 0.5),
        ("registry_revision", "417"),
        ("language", "d" * 36),
        ("language", ["de"]),
        ("content_sha256", "f" * 63),
        ("content_sha256", "f" * 65),
        ("content_sha256", "F" * 64),
        ("content_sha256", "g" * 64),
        ("content_sha256", "f" * 63 + "\n"),
        ("content_sha256", "f" * 64 + "\n"),
        ("content_sha256", "\N{ARABIC-INDIC DIGIT ONE}" * 64),
        ("content_sha256", ""),
        ("content_sha256", 10**63),
        ("attempt", 0),
        ("attempt", -1),
        ("attempt", 2**31),
        ("attempt", "first"),
        ("attempt", True),
        ("service", "s" * 101),
        ("service", 17),
    ],
)
def test_bad_field_is_refused_by_its_name(name: str, value: object) -> None:
    error = refusal(body(**{name: value}))
    assert error.error_class == "invalid_field"
    assert f"`$.{name}`" in str(error)


@pytest.mark.parametrize(
    "name",
    [
        "event_id",
        "template_name",
        "template_version",
        "input_variables",
        "rendered_prompt",
        "status",
        "executed_at",
    ],
)
def test_missing_field_is_refused_by_its_name(name: str) -> None:
    error = refusal(body(**{name: ...}))
    assert error.error_class == "invalid_field"
    assert name in str(error)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("field", ["cost_usd", "token_count", "input_variables"])
def test_numbers_that_json_does_not_have_are_refused(field: str, number: str) -> None:
    raw = f'{{"k":{number}}}' if field == "input_variables" else number
    assert refusal(with_raw(field, raw)).error_class == "invalid_json"


@pytest.mark.parametrize("event", [b"[]", b"null", b"17", b'"event"'])
def test_json_that_is_not_an_object_is_refused(event: bytes) -> None:
    assert "Expected `object`" in str(refusal(event))


SECRET = "SECRET jane@example.org - at `$.nowhere`\n"


@pytest.mark.parametrize(
    "event",
    [
        *[
            body(**{name: SECRET})
            for name in ("event_id", "status", "guardrail_action", "cost_usd", "executed_at", "prompt_source")
        ],
        *[
            body(**{name: SECRET})
            for name in ("template_version", "token_count", "request_id", "input_variables", "experiment_id")
        ],
        body(template_name=SECRET * 10),
        body(user_id={SECRET: SECRET}),
        body(content_sha256=SECRET),
        body(content_sha256=SECRET.ljust(64)),
        body(service=SECRET * 10),
        body(guardrail_violations={SECRET: SECRET}),
        body(input_variables=[SECRET]),
        body(rendered_prompt=SECRET)[:-20],
        body(rendered_prompt=SECRET).replace(b"SECRET", b"SECRET\xff"),
        b"SECRET" + body(),
        with_raw("input_variables", '{"SECRET": SECRET}'),
    ],
)
def test_reason_of_a_refusal_holds_none_of_the_events_text(event: bytes) -> None:
    error = refusal(event)
    assert "SECRET" not in str(error)
    assert "jane" not in str(error)


def test_deeply_nested_event_is_refused_and_harms_nothing() -> None:
    depth = 100_000
    for raw in ('{"a":' * depth + "1" + "}" * depth, "[" * depth + "]" * depth, '{"a":' * depth):
        for event in (with_raw("input_variables", raw), with_raw("guardrail_violations", raw), raw.encode()):
            assert refusal(event).error_class in ("invalid_json", "invalid_field")
    assert parse(body())[1] == 0


@pytest.mark.parametrize(
    ("raw", "refused"),
    [
        ('{"a":' * 1_000 + "1" + "}" * 1_000, True),
        ("[[" * 500 + "]]" * 500, True),
        # Brackets in a text, beside each other, or after an escaped quote nest nothing.
        ('"' + "[" * 2_000 + '"', False),
        ('{"a\\"' + "{" * 2_000 + '": 1}', False),
        ("[" + "[[]]," * 2_000 + "{}]", False),
    ],
)
def test_depth_is_limited_the_same_on_every_python(raw: str, refused: bool) -> None:
    if not refused:
        parse(with_raw("input_variables", f'{{"x": {raw}}}'))
        return
    error = refusal(with_raw("input_variables", raw))
    assert (error.error_class, str(error)) == ("invalid_json", "objects or arrays nested too deeply")


def test_modestly_nested_event_is_accepted() -> None:
    parse(with_raw("input_variables", '{"a":' * 200 + "1" + "}" * 200))


@pytest.mark.parametrize(
    ("written", "stored", "count"),
    [
        ('"a\\u0000b"', "a\ufffdb", 1),
        ('"a\0b\0"', "a\ufffdb\ufffd", 2),
        ('"\\ud800"', "\ufffd", 1),
        ('"\\uDC00\\uD83D"', "\ufffd\ufffd", 2),
        ('"\\ud800\\ud83d\\ude00"', "\ufffd😀", 1),
        ('"\\ud83d\\ude00"', "😀", 0),
        ('"\\uD83D\\uDE00 ok"', "😀 ok", 0),
        (r'"\\u0000"', r"\u0000", 0),
        (r'"\\ud800"', r"\ud800", 0),
        (r'"\\\u0000"', "\\\ufffd", 1),
        (r'"\\\\u0000\u0000"', "\\\\u0000\ufffd", 1),
        (r'"\\\\\ud800"', "\\\\\ufffd", 1),
        ('"\\"\\u0000\\n\\t\\/"', '"\ufffd\n\t/', 1),
        ('"\\ufffd"', "\ufffd", 0),
    ],
)
def test_unstorable_characters_are_replaced_and_counted(written: str, stored: str, count: int) -> None:
    event, replaced = parse(with_raw("rendered_prompt", written))
    assert (event.rendered_prompt, replaced) == (stored, count)

    inside, replaced = parse(with_raw("input_variables", f'{{{written}: [{{"k": {written}}}]}}'))
    assert json.loads(bytes(inside.input_variables)) == {stored: [{"k": stored}]}
    assert replaced == 2 * count


def test_unstorable_characters_are_replaced_in_violations() -> None:
    event, replaced = parse(with_raw("guardrail_violations", '[{"details": "\\u0000\\udfff"}]'))
    assert json.loads(bytes(event.guardrail_violations)) == [{"details": "\ufffd\ufffd"}]
    assert replaced == 2


def test_json_fields_keep_their_bytes() -> None:
    numbers = '"n":1234567890123456789012345678901234567890,"f":1.10,"e":1E400'
    raw = f'{{{numbers},"t":"tab\\t\\"quote\\" \u202eعربي 😀","":{{}}}}'
    assert bytes(parse(with_raw("input_variables", raw))[0].input_variables) == raw.encode()


def test_space_around_json_fields_is_ignored() -> None:
    event = with_raw("input_variables", "  \n { } \t").replace(
        b'"status"', b'"guardrail_violations": [ ], "status"'
    )
    assert json.loads(bytes(parse(event)[0].input_variables)) == {}


@pytest.mark.parametrize("written", ["412.0", "4.12e2", "41200E-2", "412.000000000000000000000"])
def test_whole_float_is_its_integer(written: str) -> None:
    variables = '{"f": 412.0, "n": 1E400}'
    event = with_raw("input_variables", variables).replace(
        b"{", b'{"execution_time_ms":' + written.encode() + b",", 1
    )
    assert parse(event)[0].execution_time_ms == 412
    assert bytes(parse(event)[0].input_variables) == variables.encode()


@pytest.mark.parametrize(
    "written", ["412.0000000000000000000001", "1e999999999", "1e400", "-1e0", "2147483648.0"]
)
def test_float_that_is_no_count_is_refused(written: str) -> None:
    error = refusal(with_raw("execution_time_ms", written))
    assert (error.error_class, "execution_time_ms" in str(error)) == ("invalid_field", True)


def test_unknown_fields_are_ignored() -> None:
    assert parse(body(trace={"id": [1, 2]}, version=2))[0].template_version == 3


def test_explicit_nulls_count_as_absent_values() -> None:
    optional = {name for name in ExecutionEvent.__struct_fields__ if name not in json.loads(body())}
    event, _ = parse(body(**dict.fromkeys(optional)))
    assert {getattr(event, name) for name in optional - {"guardrail_violations"}} == {None}
    assert bytes(event.guardrail_violations) == b"null"


def test_last_value_of_a_repeated_key_counts() -> None:
    event = body().replace(b"{", b'{"template_version": 99, "status": "failure", ', 1)
    assert (parse(event)[0].template_version, parse(event)[0].status) == (3, "success")


@pytest.mark.parametrize(
    ("raw", "cost"),
    [
        ('"0.123456"', "0.123456"),
        ("0.1", "0.1"),
        ("9999.999999", "9999.999999"),
        ("0", "0"),
        ('"1e-3"', "0.001"),
    ],
)
def test_cost_never_passes_through_a_float(raw: str, cost: str) -> None:
    assert parse(with_raw("cost_usd", raw))[0].cost_usd == Decimal(cost)


@pytest.mark.parametrize(
    "written", ["2026-03-01T10:00:00Z", "2026-03-01T12:30:00.123456+02:30", "2000-01-01T00:00:00+00:00"]
)
def test_times_keep_their_offset(written: str) -> None:
    assert parse(body(executed_at=written))[0].executed_at == datetime.fromisoformat(written)


def test_time_slightly_ahead_is_accepted() -> None:
    parse(body(executed_at=ahead(hours=23)))


def best_of(times: int, action: Callable[[], object]) -> float:
    def seconds() -> float:
        started = time.thread_time()
        action()
        return time.thread_time() - started

    return min(seconds() for _ in range(times))


def test_largest_body_is_parsed_in_twice_the_time_of_json() -> None:
    """Also where every second character is an escape: the replacement must stay linear."""
    for text in ("lorem ipsum " * 825_000, '\\"\\\\' * 1_200_000, "é😀" * 800_000):
        event = json.dumps({**json.loads(body()), "rendered_prompt": text}, ensure_ascii=False).encode()
        parsed, replaced = parse(event)
        assert (parsed.rendered_prompt, replaced) == (text, 0)
        assert (
            best_of(3, lambda event=event: parse(event))
            < 2 * best_of(3, lambda event=event: json.loads(event)) + 0.05
        )


def test_body_full_of_bad_characters_is_parsed_in_seconds() -> None:
    count = 1_500_000
    started = time.thread_time()
    assert parse(with_raw("rendered_prompt", '"' + "\\u0000" * count + '"'))[1] == count
    assert time.thread_time() - started < 10


def test_millions_of_escapes_beside_a_bad_one_take_little_memory() -> None:
    """Line breaks and quotation marks are escaped too, and none of them needs to be replaced."""
    written = body(rendered_prompt="\n" * 1_000_000 + "\0")
    tracemalloc.start()
    event, replaced = parse(written)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(event.rendered_prompt), replaced) == (1_000_001, 1)
    assert most < 10 * len(written)


def test_event_is_the_same_after_encode_and_parse() -> None:
    event = ExecutionEvent(
        template_name="script_generation",
        template_version=2,
        rendered_prompt='Tabs\t, "quotes", \\ and \U0001f600',
        status="partial",
        input_variables={"topic": "Rückblick", "n": [1, None, {"deep": True}]},
        template_id=UUID(EVENT_ID),
        cost_usd=Decimal("0.000123"),
        guardrail_violations=[{"guardrail_name": "pii", "severity": "high"}],
        guardrail_action="warn",
        environment="staging",
    )
    arrived, replaced = parse(encode(event))
    for name in ExecutionEvent.__struct_fields__:
        sent, received = getattr(event, name), getattr(arrived, name)
        assert (json.loads(bytes(received)) if isinstance(sent, dict | list) else received) == sent
    assert replaced == 0


def test_absent_values_are_not_encoded() -> None:
    event = ExecutionEvent(
        template_name="t", template_version=1, rendered_prompt="", status="success", input_variables={}
    )
    assert set(json.loads(encode(event))) == set(json.loads(body()))
