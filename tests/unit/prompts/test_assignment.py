"""A unit's arm: the same everywhere, evenly divided, another one in each experiment."""

from __future__ import annotations

import json
import timeit
from collections import Counter

import msgspec
import pytest

from prompt_worker.prompts.assignment import BUCKETS, Assignment, Range, bucket_of, read_ranges
from tests.experiments_quality.fixed import chi_square
from tests.support.documents import REPOSITORY

VECTORS = json.loads((REPOSITORY / "schema/prompt_schema/events/assignment.json").read_text(encoding="utf-8"))
HALVES = [Range(0, 5_000, "control"), Range(5_000, 10_000, "variant_a")]
SEED = "01a216dc-4754-79c2-a529-751fe2477afa"


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: ascii(vector["unit"])[:30])
def test_bucket_is_that_of_the_vector(vector: dict[str, object]) -> None:
    assignment = Assignment(vector["seed"], read_ranges(VECTORS["ranges"]))  # type: ignore[arg-type]
    recorded, arm = assignment.arm_of(vector["unit"])  # type: ignore[arg-type]
    assert recorded == vector["recorded"]
    assert bucket_of(vector["seed"], recorded) == vector["bucket"]  # type: ignore[arg-type]
    assert arm == vector["arm"]


def test_vectors_have_all_kinds_of_units() -> None:
    units = [vector["unit"] for vector in VECTORS["vectors"]]
    assert any("é" in unit for unit in units)
    assert any(ord(character) > 0xFFFF for unit in units for character in unit)
    assert any(len(unit.encode()) > 64 for unit in units)
    assert {vector["arm"] for vector in VECTORS["vectors"]} == {"control", "variant_a", None}


def test_buckets_are_even() -> None:
    counts = Counter(bucket_of(SEED, f"user-{number}") // 100 for number in range(100_000))
    assert chi_square([counts[i] for i in range(100)], [1] * 100) > 0.001


def test_two_seeds_divide_units_independently() -> None:
    both = Counter((bucket_of("a", f"u{n}") < 5_000, bucket_of("b", f"u{n}") < 5_000) for n in range(40_000))
    assert chi_square(list(both.values()), [1] * 4) > 0.001


@pytest.mark.parametrize("unit", ["\0", "a\ud800", "\ud83d\ude00"])
def test_unit_is_hashed_as_it_is_stored(unit: str) -> None:
    stored = unit.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
    assert bucket_of(SEED, unit) == bucket_of(SEED, stored)


@pytest.mark.parametrize(
    "ranges",
    [[[0, 0, "control"]], [[-1, 5, "control"]], [[0, 10_001, "a"]], [[0, 10, "a"], [9, 20, "b"]], [[0, 1]]],
)
def test_invalid_ranges_are_refused(ranges: list[object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        read_ranges(ranges)


def test_assignment_costs_two_microseconds_at_most() -> None:
    arm_of = Assignment(SEED, HALVES).arm_of
    best = (
        min(timeit.repeat(lambda: arm_of("0f8fad5b-d9cb-469f-a165-70867728950e"), number=2_000, repeat=20))
        / 2_000
    )
    assert best < 2e-6
    assert BUCKETS == 10_000
