"""P3: a bad event is one dead letter with a reason, its neighbours are written; an odd but valid one becomes a row.

P7: no text of an event is in a reason, an attribute or a log line.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from google.pubsub_v1.types import PubsubMessage

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Rejected, Verdict
from prompt_worker.executions.writer import ExecutionWriter
from prompt_worker.platform.postgres.engine import connect
from tests.support.events import body, event, id_of, with_raw
from tests.support.pipeline import Pipeline, connected

# In every bad event: no reason may quote it.
SECRET = "Ana Lima, 123-45-6789"


class Bad(msgspec.Struct, frozen=True):
    """A body that no row can be made of, and the reason that is given."""

    body: bytes
    error_class: str
    reason: str
    attributes: dict[str, str] = {}


def bad(error_class: str, reason: str, **fields: object) -> Bad:
    return Bad(body(rendered_prompt=SECRET, **fields), error_class, reason)


def bad_raw(error_class: str, reason: str, field: str, value: bytes) -> Bad:
    return Bad(with_raw(field, value, rendered_prompt=SECRET), error_class, reason)


def without(field: str) -> Bad:
    fields = event(rendered_prompt=SECRET)
    del fields[field]
    return Bad(json.dumps(fields).encode(), "invalid_field", f"missing required field `{field}`")


def nested(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


TOMORROW_AND_MORE = (datetime.now(UTC) + timedelta(days=3)).isoformat()

BAD = {
    "no body": Bad(b"", "invalid_json", "not JSON"),
    "not JSON": Bad(SECRET.encode(), "invalid_json", "not JSON"),
    "cut off": Bad(body(rendered_prompt=SECRET)[:-20], "invalid_json", "not JSON"),
    "two in one": Bad(body() + body(rendered_prompt=SECRET), "invalid_json", "trailing characters"),
    "a bare NaN": bad_raw("invalid_json", "not JSON", "cost_usd", b"NaN"),
    "a number that is none": bad_raw("invalid_json", "invalid number", "input_variables", b'{"a": 01}'),
    "nested too deeply": bad_raw("invalid_json", "nested too deeply", "input_variables", nested(100_000)),
    "Latin-1": Bad(body(rendered_prompt=f"café {SECRET}").decode().encode("latin-1"), "invalid_utf8", "not UTF-8"),
    "UTF-16": Bad(body(rendered_prompt=SECRET).decode().encode("utf-16"), "invalid_utf8", "not UTF-8"),
    "an array": Bad(b"[" + body(rendered_prompt=SECRET) + b"]", "invalid_field", "Expected `object`"),
    "null": Bad(b"null", "invalid_field", "Expected `object`"),
    **{
        f"no {field}": without(field)
        for field in (
            "event_id", "template_name", "template_version", "rendered_prompt", "status", "input_variables",
            "executed_at",
        )
    },
    "an id that is none": bad("invalid_field", "Invalid UUID - at `$.event_id`", event_id=SECRET),
    "a text for a number": bad("invalid_field", "got `str` - at `$.input_tokens`", input_tokens="12"),
    "a number for a text": bad("invalid_field", "got `int` - at `$.user_id`", user_id=12),
    "a list for an object": bad("invalid_field", "Expected `object` - at `$.input_variables`", input_variables=[]),
    "null for an object": bad("invalid_field", "Expected `object` - at `$.input_variables`", input_variables=None),
    "an object for a list": bad("invalid_field", "`$.guardrail_violations`", guardrail_violations={"a": SECRET}),
    "a text too long": bad("invalid_field", "length <= 255 - at `$.user_id`", user_id=SECRET * 20),
    "no template name": bad("invalid_field", "length >= 1 - at `$.template_name`", template_name=""),
    "version zero": bad("invalid_field", ">= 1 - at `$.template_version`", template_version=0),
    "a number beyond its column": bad("invalid_field", "<= 2147483647 - at", execution_time_ms=2**31),
    "a number beyond every column": bad("invalid_field", "`$.execution_time_ms`", execution_time_ms=10**40),
    "a negative number": bad("invalid_field", ">= 0 - at `$.input_tokens`", input_tokens=-1),
    "a sum beyond its column": bad(
        "invalid_field", "Expected a sum <= 2147483647", input_tokens=2**31 - 1, output_tokens=1
    ),
    "a negative cost": bad("invalid_field", "cost from 0 to below 10000", cost_usd=-0.01),
    "a cost of NaN": bad("invalid_field", "cost from 0 to below 10000", cost_usd="NaN"),
    "a cost of sNaN": bad("invalid_field", "cost from 0 to below 10000", cost_usd="sNaN"),
    "an infinite cost": bad("invalid_field", "cost from 0 to below 10000", cost_usd="-Infinity"),
    "a cost beyond its column": bad("invalid_field", "cost from 0 to below 10000", cost_usd="10000"),
    "a cost rounded beyond its column": bad(
        "invalid_field", "cost from 0 to below 10000", cost_usd="9999.9999995"
    ),
    "a cost of no number": bad("invalid_field", "Invalid decimal string - at `$.cost_usd`", cost_usd=SECRET),
    "an astronomic cost": bad_raw("invalid_field", "cost from 0 to below 10000", "cost_usd", b"1e100000"),
    "a time without offset": bad("invalid_field", "timezone", executed_at="2026-01-02T03:04:05"),
    "no time": bad("invalid_field", "RFC3339", executed_at=SECRET),
    "the 30th of February": bad("invalid_field", "RFC3339", executed_at="2026-02-30T00:00:00Z"),
    "a time long ago": bad("invalid_field", "time after 2000-01-01", executed_at="1999-12-31T23:59:59Z"),
    "a time far ahead": bad("invalid_field", "at most a day ahead", executed_at=TOMORROW_AND_MORE),
    "the first moment of all": bad("invalid_field", "time after", executed_at="0001-01-01T00:00:00+23:59"),
    "the last moment of all": bad("invalid_field", "a day ahead", executed_at="9999-12-31T23:59:59-23:59"),
    "an unknown status": bad("invalid_field", "Not one of the allowed values - at `$.status`", status=SECRET),
    "an unknown status that looks like a reason": bad(
        "invalid_field", "Not one of the allowed values - at `$.status`", status=f"x' - at {SECRET} - at `$.y`"
    ),
    "an unknown action": bad("invalid_field", "- at `$.guardrail_action`", guardrail_action="explode"),
    "an experiment that is none": bad(
        "invalid_field", "Invalid UUID - at `$.experiment_id`", experiment_id=SECRET
    ),
    "phase zero": bad("invalid_field", ">= 1 - at `$.experiment_phase`", experiment_phase=0),
    "a unit too long": bad("invalid_field", "length <= 255 - at `$.assignment_unit`", assignment_unit=SECRET * 20),
    "an unknown source": bad("invalid_field", "allowed values - at `$.prompt_source`", prompt_source=SECRET),
    "a selection too long": bad("invalid_field", "length <= 50 - at `$.selection`", selection=SECRET * 3),
    "a negative revision": bad("invalid_field", ">= 0 - at `$.registry_revision`", registry_revision=-1),
    "a revision beyond its column": bad("invalid_field", "`$.registry_revision`", registry_revision=2**63),
    "a text for a revision": bad("invalid_field", "got `str` - at `$.registry_revision`", registry_revision="417"),
    "a language of 36 characters": bad("invalid_field", "length <= 35 - at `$.language`", language="d" * 36),
    "a hash too short": bad("invalid_field", "length >= 64 - at `$.content_sha256`", content_sha256="f" * 63),
    "a hash in upper case": bad("invalid_field", "64 hex digits in lower case - at `$.content_sha256`",
                                content_sha256="F" * 64),
    "a hash of other characters": bad("invalid_field", "64 hex digits in lower case - at `$.content_sha256`",
                                      content_sha256=SECRET.ljust(64)),
    "attempt zero": bad("invalid_field", ">= 1 - at `$.attempt`", attempt=0),
    "an attempt beyond its column": bad("invalid_field", "<= 2147483647 - at `$.attempt`", attempt=2**31),
    "a service too long": bad("invalid_field", "length <= 100 - at `$.service`", service=SECRET * 5),
    "an unknown template": bad("unknown_template", "no template", template_name="nobody-knows"),
    "an unknown version": bad("unknown_template", "no template", template_version=99),
    "an unknown template id": bad(
        "unknown_template", "no template", template_id="00000000-0000-0000-0000-000000000000"
    ),
    "another version of the event": Bad(
        body(rendered_prompt=SECRET), "wrong_event_type", "prompt.execution.v1", {"ce-type": "prompt.execution.v2"}
    ),
    # What only PostgreSQL refuses, found by halving.
    "a JSON number beyond numeric": bad_raw(
        "refused_by_database", "numeric value out of range (22003), column input_variables",
        "input_variables", b'{"a": "' + SECRET.encode() + b'", "b": 1e200000}',
    ),
    "violations beyond numeric": bad_raw(
        "refused_by_database", "column guardrail_violations", "guardrail_violations", b'[{"a": 1e200000}]'
    ),
}  # fmt: skip

ODD = {
    "tabs, backslashes, quotes, line ends": body(
        rendered_prompt="\t\\N\\.\\x \"quoted\" 'single' \r\n\\.\n\b\f"
    ),
    "emoji and right-to-left marks": body(
        rendered_prompt="👩🏽‍🔬 \u202eright to left\u202c \u200f שלום مرحبا \ufeff"
    ),
    "an unknown field": body(added_later={"by": ["a newer", "publisher"]}),
    "integers of 40 digits": with_raw(
        "input_variables", b'{"large": ' + b"1234567890" * 4 + b', "small": -0.' + b"1234567890" * 4 + b"}"
    ),
    "white space around": b" \n\t" + with_raw("input_variables", b' \n {"a" : 1 } ') + b"\r\n ",
    "a key twice": with_raw("input_variables", b'{"a": 1, "a": 2}'),
    "an empty prompt and no variables": body(rendered_prompt="", input_variables={}),
    "nested deeply": with_raw("input_variables", nested(500)),
    "the earliest time": body(executed_at="2000-01-01T00:00:00Z"),
    "a time in a far zone": body(executed_at="2026-01-01T00:00:00.123456+14:00"),
    "a cost of minus zero": body(cost_usd="-0"),
    "items of any kind": body(guardrail_violations=[1, None, "x", {}]),
    "an escaped backslash before u0000": body(rendered_prompt="\\u0000 and \\ud800 are text"),
}


@pytest.fixture
def writer(database: str) -> Iterator[ExecutionWriter]:
    engine = connect(database, application_name="tests")
    yield ExecutionWriter(engine, threading.Event())
    engine.dispose()


@pytest.mark.parametrize("kind", BAD)
def test_one_bad_event_among_a_thousand_rejects_no_other(
    writer: ExecutionWriter, database: str, kind: str
) -> None:
    one = BAD[kind]
    messages = [Message(body(), {}, f"ack-{n}") for n in range(1000)]
    messages[617] = Message(one.body, one.attributes, "ack-617")
    outcomes = writer(messages)
    rejected = outcomes.pop(617)
    assert outcomes == [Verdict.WRITTEN] * 999
    assert isinstance(rejected, Rejected)
    assert rejected.error_class == one.error_class
    assert one.reason in rejected.reason
    assert SECRET not in rejected.reason
    assert SECRET.split(",", maxsplit=1)[0] not in rejected.reason
    with connected(database) as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM prompt_executions), sum(total_executions) FROM v_template_statistics"
        )
        assert cursor.fetchone() == (999, 999)


@pytest.mark.parametrize("kind", ODD)
def test_odd_event_becomes_a_row(writer: ExecutionWriter, database: str, kind: str) -> None:
    given = ODD[kind]
    assert writer([Message(given, {}, "ack")]) == [Verdict.WRITTEN]
    with connected(database) as cursor:
        cursor.execute("SELECT rendered_prompt, input_variables::text FROM prompt_executions")
        prompt, variables = cursor.fetchone()
        assert prompt == json.loads(given)["rendered_prompt"]
        cursor.execute("SELECT %s::jsonb = %s::jsonb", (variables, variables_of(given)))
        assert cursor.fetchone() == (True,)


def variables_of(given: bytes) -> str:
    class Variables(msgspec.Struct):
        input_variables: msgspec.Raw

    return bytes(msgspec.json.decode(given, type=Variables).input_variables).decode()


def test_integers_of_40_digits_are_kept_exactly(writer: ExecutionWriter, database: str) -> None:
    number = "1234567890" * 4
    writer([Message(with_raw("input_variables", f'{{"n": {number}}}'.encode()), {}, "ack")])
    with connected(database) as cursor:
        cursor.execute("SELECT input_variables->>'n' FROM prompt_executions")
        assert cursor.fetchone() == (number,)


def test_body_of_almost_ten_megabytes_becomes_a_row(pipeline: Pipeline) -> None:
    large = [body(rendered_prompt="é" * 4_950_000), body(model_response='"' * 4_900_000)]
    assert all(9_790_000 < len(one) < 10_000_000 for one in large)
    neighbours = [body() for _ in range(20)]
    pipeline.publish([*neighbours, *large])
    with pipeline.worker() as worker:
        pipeline.wait_for_rows(22)
        assert worker.terminate()[0] == 0
    lengths = "SELECT max(length(rendered_prompt)), max(length(model_response)) FROM prompt_executions"
    assert pipeline.query(lengths) == [(4_950_000, 4_900_000)]
    pipeline.assert_exact([*neighbours, *large])


def test_unstorable_characters_are_replaced_also_in_keys(writer: ExecutionWriter, database: str) -> None:
    given = with_raw(
        "input_variables",
        rb'{"nul\u0000key": "a\u0000b", "\ud800": ["\udc00x", "\ud83d\ude00", "\\u0000"], "raw": "'
        + b"\0"
        + rb'"}',
        user_id="u\0\ud800".encode("utf-8", "replace").decode(),
    )
    assert writer([Message(given, {}, "ack")]) == [Verdict.WRITTEN]
    with connected(database) as cursor:
        cursor.execute("SELECT input_variables, user_id FROM prompt_executions")
        variables, user_id = cursor.fetchone()
    assert variables == {
        "nul\ufffdkey": "a\ufffdb",
        "\ufffd": ["\ufffdx", "\N{GRINNING FACE}", "\\u0000"],
        "raw": "\ufffd",
    }
    assert user_id == "u\ufffd?"


def test_many_bad_events_in_one_batch_are_each_rejected(writer: ExecutionWriter, database: str) -> None:
    kinds = list(BAD.values())
    messages = [Message(body(), {}, f"good-{n}") for n in range(10 * len(kinds))]
    for place, one in enumerate(kinds):
        messages[place * 10 + place % 10] = Message(one.body, one.attributes, f"bad-{place}")
    outcomes = writer(messages)
    rejected = [outcome for outcome in outcomes if isinstance(outcome, Rejected)]
    assert [one.error_class for one in rejected] == [one.error_class for one in kinds]
    assert outcomes.count(Verdict.WRITTEN) == 9 * len(kinds)


def test_deleted_template_rejects_only_its_own_events(writer: ExecutionWriter, database: str) -> None:
    with connected(database) as cursor:
        cursor.execute("INSERT INTO prompt_templates (name, template_text) VALUES ('gone', 'x')")
        doomed = Message(body(template_name="gone"), {}, "ack")
        assert writer([doomed]) == [Verdict.WRITTEN]
        cursor.execute("DELETE FROM prompt_executions; DELETE FROM prompt_templates WHERE name = 'gone'")
    messages = [Message(body(), {}, f"ack-{n}") for n in range(20)]
    messages[7] = messages[13] = doomed
    outcomes = writer(messages)
    assert [type(outcome) for outcome in (outcomes[7], outcomes[13])] == [Rejected, Rejected]
    assert outcomes.count(Verdict.WRITTEN) == 18
    # And it is looked up again from then on.
    again = writer([Message(body(template_name="gone"), {}, "ack")])[0]
    assert isinstance(again, Rejected)
    assert again.error_class == "unknown_template"


def test_bad_event_is_one_dead_letter_with_bytes_and_reason(pipeline: Pipeline) -> None:
    started = datetime.now(UTC)
    neighbours = [body() for _ in range(2000 - len(BAD))]
    pipeline.publish(neighbours[:500])
    pipeline.publish_messages(
        [
            PubsubMessage(data=one.body, attributes={"kind": kind, "ce-source": "tests"} | one.attributes)
            for kind, one in BAD.items()
        ]
    )
    pipeline.publish(neighbours[500:])
    with pipeline.worker() as worker:
        pipeline.wait_for_rows(len(neighbours))
        letters = pipeline.dead_letters(len(BAD))
        assert worker.terminate()[0] == 0
        assert worker.totals == {"written": len(neighbours), "dead-lettered": len(BAD)}
        assert SECRET not in worker.output
    assert sorted(letter.attributes["kind"] for letter in letters) == sorted(BAD)
    for letter in letters:
        attributes = dict(letter.attributes)
        one = BAD[attributes["kind"]]
        assert letter.data == one.body
        assert attributes["ce-source"] == "tests"
        assert attributes.get("ce-type") == one.attributes.get("ce-type")
        assert attributes["dead-letter-error-class"] == one.error_class
        assert one.reason in attributes["dead-letter-reason"]
        first_seen = datetime.fromisoformat(attributes["dead-letter-first-seen"])
        last_seen = datetime.fromisoformat(attributes["dead-letter-last-seen"])
        assert started - timedelta(seconds=1) <= first_seen <= last_seen <= datetime.now(UTC)
        assert SECRET not in str(attributes)
    assert pipeline.ids() == {id_of(one) for one in neighbours}
    assert pipeline.wrong_counters() == []
