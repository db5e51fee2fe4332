"""A row in the binary COPY format: its length comes before each field, and costs round half up."""

from __future__ import annotations

import struct
from hashlib import sha256

import pytest

from prompt_worker.event.execution import parse
from prompt_worker.executions.rows import encode_row
from tests.support.events import body

COST, TOKENS, COLUMNS = 13, 12, 35
UNIT = 26
# The columns that came with event fields of how a prompt was served, all of them the last.
SERVED = {
    "experiment_id": (
        "0198c0de-0000-7000-8000-000000000001",
        bytes.fromhex("0198c0de000070008000000000000001"),
    ),
    "assignment_unit": ("student-17", b"student-17"),
    "experiment_phase": (2**31 - 1, struct.pack(">i", 2**31 - 1)),
    "prompt_source": ("disk", b"disk"),
    "selection": ("label:β", "label:β".encode()),
    "registry_revision": (2**63 - 1, struct.pack(">q", 2**63 - 1)),
    "language": ("de-AT", b"de-AT"),
    "content_sha256": ("0f" * 32, b"0f" * 32),
    "attempt": (1, struct.pack(">i", 1)),
    "service": ("tutor", b"tutor"),
}


def fields(**given: object) -> list[bytes | None]:
    event, _ = parse(body(**given))
    encoded = encode_row(event, event.event_id)
    (count,) = struct.unpack_from(">h", encoded)
    offset, found = 2, list[bytes | None]()
    while offset < len(encoded):
        (length,) = struct.unpack_from(">i", encoded, offset)
        offset += 4
        found.append(None if length == -1 else encoded[offset : offset + length])
        offset += max(length, 0)
    assert count == len(found) == COLUMNS
    return found


def cost(value: object) -> str:
    encoded = fields(cost_usd=value)[COST]
    assert encoded is not None
    digits, weight, sign, scale, *groups = struct.unpack(">hhhhhhh", encoded)
    assert (digits, weight, sign, scale) == (3, 0, 0, 6)
    assert all(0 <= group < 10_000 for group in groups)
    return f"{groups[0]}.{groups[1]:04}{groups[2]:04}"


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (0, "0.00000000"),
        ("-0", "0.00000000"),
        ("0.000001", "0.00000100"),
        ("0.0000005", "0.00000100"),
        ("0.00000049999999999999999999999999999999999999", "0.00000000"),
        ("1E-30", "0.00000000"),
        ("1E-999999", "0.00000000"),
        (0.1, "0.10000000"),
        ("1.0000025", "1.00000300"),
        ("1.0000035", "1.00000400"),
        ("9999.999999", "9999.99999900"),
        ("9999.99999949999999999999999999999999999999", "9999.99999900"),
        ("12.345678", "12.34567800"),
    ],
)
def test_costs_keep_six_places_rounded_half_up_once(given: object, stored: str) -> None:
    assert cost(given) == stored


@pytest.mark.parametrize(
    ("tokens", "stored"),
    [
        ({"input_tokens": 2, "output_tokens": 3}, 5),
        ({"input_tokens": 0, "output_tokens": 0}, 0),
        ({"input_tokens": 2, "output_tokens": 3, "token_count": 0}, 0),
        ({"input_tokens": 2, "output_tokens": 3, "token_count": 7}, 7),
        ({"token_count": 7}, 7),
    ],
)
def test_missing_token_count_is_the_sum_and_a_given_one_stays(tokens: dict[str, int], stored: int) -> None:
    assert fields(**tokens)[TOKENS] == struct.pack(">i", stored)


@pytest.mark.parametrize("tokens", [{}, {"input_tokens": 2}, {"output_tokens": 3}])
def test_half_a_token_count_is_none(tokens: dict[str, int]) -> None:
    assert fields(**tokens)[TOKENS] is None


def test_event_that_says_nothing_of_its_serving_has_nulls() -> None:
    assert fields()[-len(SERVED) :] == [None] * len(SERVED)


@pytest.mark.parametrize("name", SERVED)
def test_each_field_of_the_serving_alone_is_in_its_column(name: str) -> None:
    given, stored = SERVED[name]
    wanted = [stored if each == name else None for each in SERVED]
    assert fields(**{name: given})[-len(SERVED) :] == wanted


def test_all_fields_of_the_serving_are_in_their_columns() -> None:
    given = {name: given for name, (given, _) in SERVED.items()}
    assert fields(**given)[-len(SERVED) :] == [stored for _, stored in SERVED.values()]


def test_long_unit_is_stored_as_its_hash() -> None:
    digest = sha256(b"a" * 65).hexdigest()[:32]
    assert fields(assignment_unit="a" * 65)[UNIT] == f"sha256:{digest}".encode()
    assert fields(assignment_unit="a" * 64)[UNIT] == b"a" * 64
