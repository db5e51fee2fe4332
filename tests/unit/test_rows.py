"""A row in the binary COPY format: its length comes before each field, and costs round half up."""

from __future__ import annotations

import struct

import pytest

from prompt_worker.event.execution import parse
from prompt_worker.executions.rows import encode_row
from tests.support.events import body

COST, TOKENS, COLUMNS = 13, 12, 25


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
