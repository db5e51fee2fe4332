"""What an operator sees of a dead letter: its cause and shape; prompt texts only when they are asked for."""

from __future__ import annotations

import argparse
import json
import unicodedata
from datetime import UTC, datetime, timedelta

import pytest

from prompt_worker.commands.dead_letters.filters import add_filters, filter_of, parse_when
from prompt_worker.commands.dead_letters.reports.letter import print_letter
from prompt_worker.commands.dead_letters.reports.summary import sparkline
from prompt_worker.commands.terminal.printable import printable
from prompt_worker.deadletters.correction import difference
from prompt_worker.deadletters.filters import Filter
from prompt_worker.deadletters.kinds import EXECUTION, FEEDBACK
from prompt_worker.deadletters.letter import shown
from prompt_worker.event.execution import ExecutionEvent
from tests.support.events import body, with_raw
from tests.support.feedback import feedback_body

SECRET = "zanzibar"


@pytest.mark.parametrize(
    "odd",
    [
        body(
            rendered_prompt=SECRET, model_response=SECRET, error_message=SECRET, input_variables={"q": SECRET}
        ),
        body(guardrail_violations=[{"details": SECRET}], unknown_field=SECRET),
        body(status=f"{SECRET} " * 50, template_name=[SECRET], user_id={"name": SECRET}),
        body(rendered_prompt=SECRET)[:-1],
        json.dumps(SECRET).encode(),
        json.dumps([SECRET]).encode(),
        SECRET.encode() + b"\xff\0",
        with_raw("extra", b'"' + SECRET.encode() + b'"'),
    ],
)
def test_texts_are_hidden_unless_revealed(odd: bytes) -> None:
    assert SECRET not in json.dumps(shown(odd, reveal=False))
    assert SECRET in json.dumps(shown(odd, reveal=True))


def test_hidden_texts_show_their_size() -> None:
    event = shown(body(rendered_prompt="x" * 1234, template_version=3, model_response=None), reveal=False)
    assert isinstance(event, dict)
    assert event["rendered_prompt"] == "<hidden: str, 1,234 characters>"
    assert event["input_variables"] == "<hidden: dict, 1 entries>"
    assert (event["template_version"], event["status"], event["model_response"]) == (3, "success", None)


def test_fields_that_hold_no_text_are_shown() -> None:
    """All of the event's but those with texts of people or models."""
    texts = {"input_variables", "rendered_prompt", "model_response", "error_message", "guardrail_violations"}
    assert set(ExecutionEvent.__struct_fields__) - EXECUTION.shown == texts
    given = {"selection": "label:beta", "registry_revision": 417, "content_sha256": "0f" * 32, "attempt": 2}
    event = shown(body(**given), reveal=False)
    assert isinstance(event, dict)
    assert given.items() <= event.items()


@pytest.mark.parametrize("value", [SECRET, f"0.5 {SECRET}", [SECRET]], ids=str)
def test_text_where_a_number_belongs_is_hidden(value: object) -> None:
    name = f"{SECRET} said so, in more characters than a name may have"
    given = feedback_body(value=value, name=name, source=[SECRET])
    assert SECRET not in json.dumps(shown(given, reveal=False, kind=FEEDBACK))
    assert SECRET not in str(difference(given, feedback_body(), reveal=False, kind=FEEDBACK))
    assert SECRET not in json.dumps(shown(body(cost_usd=value, attempt=value), reveal=False))


def test_number_that_is_refused_is_shown() -> None:
    given = {"value": 2, "name": "clear", "source": "user"}
    event = shown(feedback_body(**given), reveal=False, kind=FEEDBACK)
    assert isinstance(event, dict)
    assert given.items() <= event.items()
    for written in ("2", "-1.5e3", "true"):
        raw = with_raw("cost_usd", written.encode())
        assert f"+ cost_usd: {written}" in difference(body(), raw, reveal=False)


def test_long_numbers_and_deep_bodies_are_shown() -> None:
    assert isinstance(shown(with_raw("cost_usd", b"9" * 5000), reveal=True), dict)
    assert "<hidden: not a JSON object" in str(shown(b"[" * 100_000, reveal=False))


def test_sparkline_has_a_block_a_part_and_a_dot_for_none() -> None:
    assert sparkline([0, 1, 4, 8]) == "·▁▄█"
    assert sparkline([1_000_000, 1]) == "█▁"
    assert sparkline([0, 0]) == "··"


def test_printable_text_has_no_control_characters() -> None:
    assert printable("a\x1b[2Jb\r\n\tc\x9b") == "a [2Jb   c "
    assert printable(None) == ""
    assert printable(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00+00:00"


@pytest.mark.parametrize(("typed", "ago"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("3d", 259_200)])
def test_filter_time_may_be_an_age(typed: str, ago: int) -> None:
    assert abs(parse_when(typed) - (datetime.now(UTC) - timedelta(seconds=ago))) < timedelta(seconds=5)


@pytest.mark.parametrize("odd", ["yesterday", "2026-11-23T08:00", "-3h", "9999999d"])
def test_ambiguous_filter_time_is_refused(odd: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="2h or 3d"):
        parse_when(odd)


def test_every_filter_has_an_option() -> None:
    parser = argparse.ArgumentParser()
    add_filters(parser)
    assert filter_of(parser.parse_args([])) == Filter()
    typed = [
        "--reason", "r", "--error-class", "e", "--template", "t", "--environment", "dev", "--source", "pubsub",
        "--consumer", "guardrails", "--since", "2026-01-01T00Z", "--until", "3d", "--status", "pending",
        "--status", "replayed", "--event-id", "0190b2a4-0000-7000-8000-000000000001",
    ]  # fmt: skip
    given = filter_of(parser.parse_args(typed))
    assert len(given.as_json()) == 10
    assert given.statuses == ("pending", "replayed")


@pytest.mark.parametrize(
    "odd",
    [b'{"user_id": "\\ud800"}', b"\x1b[2J not JSON", '{"\u009b1m": 1, "user_id": "\u009b31m"}'.encode()],
)
@pytest.mark.parametrize("reveal", [False, True])
def test_letter_with_control_characters_is_printed_safely(
    odd: bytes, reveal: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    letter = {"payload": odd, "attributes": {}, "actions": [], "consumer": "executions"}
    print_letter(letter, reveal=reveal, as_json=False)
    printed = capsys.readouterr().out
    assert not any(c != "\n" and unicodedata.category(c).startswith("C") for c in printed)
    print_letter(letter, reveal=reveal, as_json=True)
    printed = capsys.readouterr().out.removesuffix("\n")
    assert printed.isascii()
    assert json.loads(printed)["payload"] == shown(odd, reveal=reveal)
