"""Personal data is found where it is, and ordinary numbers of school texts are left alone."""

import time
from typing import Any

import pytest

from prompt_worker.guardrails import Guardrail, GuardrailConfigError, check, compile_guardrail

SEED = {
    "patterns": [
        r"\b\d{3}-\d{2}-\d{4}\b",
        r"\b(?:\d{4}[ -]?){3}\d{4}\b",
        r"(?:\+?1[ .-]?)?(?:\(\d{3}\)|\b\d{3})[ .-]?\d{3}[ .-]\d{4}\b",
    ],
    "entity_types": ["SSN", "CREDIT_CARD", "PHONE_NUMBER"],
    "redaction_mode": "block_request",
}


def found(text: str, config: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    guardrail = Guardrail(name="pii", type="pii_detection", config=config or {})
    return [(one.rule, text[one.start : one.end]) for one in check([guardrail], prompt=text).findings]


@pytest.mark.parametrize("config", [{}, SEED])
@pytest.mark.parametrize(
    ("text", "rule", "match"),
    [
        ("my SSN is 536-90-4399.", "US_SSN", "536-90-4399"),
        ("card 4111 1111 1111 1111 please", "CREDIT_CARD", "4111 1111 1111 1111"),
        ("card 5500-0000-0000-0004", "CREDIT_CARD", "5500-0000-0000-0004"),
        ("amex 378282246310005 ok", "CREDIT_CARD", "378282246310005"),
        ("12 4111111111111111 34", "CREDIT_CARD", "4111111111111111"),
        ("call (212) 555-0123 now", "PHONE_NUMBER", "(212) 555-0123"),
        ("Reach me at 212-555-0123x45", "PHONE_NUMBER", "212-555-0123x45"),
        ("phone: +44 20 7946 0958", "PHONE_NUMBER", "+44 20 7946 0958"),
        ("my number is 042 078 6381", "PHONE_NUMBER", "042 078 6381"),
        ("ｍｙ ＳＳＮ ５３６－９０－４３９９", "US_SSN", "５３６－９０－４３９９"),
        ("4111\u200b1111\u200b1111\u200b1111", "CREDIT_CARD", "4111\u200b1111\u200b1111\u200b1111"),
        ("😀😀 שלום 536-90-4399 😀", "US_SSN", "536-90-4399"),
        ("social security number 536904399", "US_SSN", "536904399"),
    ],
)
def test_personal_data_is_found(config: dict[str, Any], text: str, rule: str, match: str) -> None:
    assert found(text, config) == [(rule, match)]


@pytest.mark.parametrize(
    ("text", "rule", "match"),
    [
        ("write to jane.doe+x@mail.example.co.uk.", "EMAIL_ADDRESS", "jane.doe+x@mail.example.co.uk"),
        ("IBAN GB82 WEST 1234 5698 7654 32 is mine", "IBAN_CODE", "GB82 WEST 1234 5698 7654 32"),
        ("iban de89370400440532013000", "IBAN_CODE", "de89370400440532013000"),
    ],
)
def test_addresses_and_accounts_are_found_by_default(text: str, rule: str, match: str) -> None:
    assert found(text) == [(rule, match)]


@pytest.mark.parametrize("config", [{}, SEED])
@pytest.mark.parametrize(
    "text",
    [
        "What is 123456789 times 2? The answer is 246913578.",
        "536904399 people live in the union.",
        "ISBN 978-3-16-148410-0 and ISBN 0-306-40615-2",
        "From 1914-1918 and 2023-11-23, 11/23/2023 or 23.11.2023",
        "pi is 3.14159265358979 and e is 2.71828182845904",
        "0.4111111111111111 is a fraction",
        "000-12-3456, 666-12-3456, 900-12-3456, 123-00-4567 and 123-45-0000",
        "4111111111111112 fails its check digit",
        "1234567812345670 has a check digit and no issuer",
        "The Luhn algorithm accepts the test number 4111 1111 1111 1111.",
        "20! = 2432902008176640000 and 2^64 = 18446744073709551616",
        "Population: 1 412 000 000; area 9 596 961 km2",
        "192.168.100.200 is an address of a network",
        "100 200 3000 400",
        "Solve 555 - 12 = x, then 12 - 7.",
        "order 12345-67-890",
        "0000000000000000",
    ],
)
def test_numbers_of_lessons_are_left_alone(config: dict[str, Any], text: str) -> None:
    assert found(text, config) == []


def test_entity_types_are_selectable() -> None:
    text = "536-90-4399, jane@example.com"
    assert found(text, {"entity_types": ["email"]}) == [("EMAIL_ADDRESS", "jane@example.com")]
    assert found(text, {"entity_types": ["SSN"]}) == [("US_SSN", "536-90-4399")]


def test_owners_pattern_is_checked_where_it_is_an_entitys() -> None:
    own = {"patterns": [r"\bSTU-\d{6}\b", r"\b\d{16}\b"]}
    assert found("STU-123456 and 1111222233334444", own) == [("PATTERN_1", "STU-123456")]
    assert found("4111111111111111", own) == [("CREDIT_CARD", "4111111111111111")]


def test_number_among_many_harmless_ones_is_found() -> None:
    assert found("1234567890123 " * 1000 + "SSN 536-90-4399", {"entity_types": ["SSN", "CREDIT_CARD"]}) == [
        ("US_SSN", "536-90-4399")
    ]


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"patterns": ["(?=x)y"]}, "patterns[0]"),
        ({"patterns": ["ok", r"(a)\1"]}, "patterns[1]"),
        ({"patterns": "abc"}, "patterns"),
        ({"patterns": [7]}, "patterns[0]"),
        ({"patterns": [" "]}, "patterns[0]"),
        ({"entity_types": ["SHOE_SIZE"]}, "entity_types[0]"),
        ({"entity_types": []}, "entity_types"),
        ([], "config"),
        (None, "config"),
    ],
)
def test_unusable_config_names_the_guardrail_and_the_field(config: Any, field: str) -> None:
    with pytest.raises(GuardrailConfigError) as raised:
        compile_guardrail(Guardrail(name="pii of grade 5", type="pii_detection", config=config))
    assert raised.value.config_field == field
    assert "pii of grade 5" in str(raised.value)
    assert field in str(raised.value)


def test_catastrophic_pattern_is_harmless() -> None:
    evaluator = compile_guardrail(
        Guardrail(name="p", type="pii_detection", config={"patterns": ["(x+x+)+y", "(a|aa)+$"]})
    )
    started = time.thread_time()
    check([evaluator], prompt="x" * 24)
    assert time.thread_time() - started < 0.1
    started = time.thread_time()
    check([evaluator], prompt="x" * 5_000_000)
    assert time.thread_time() - started < 2
