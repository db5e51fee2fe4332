"""Variables that hold themselves, or are shared or nested beyond measure: a check and a mask come to an end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from prompt_worker.guardrails import check, mask_all
from prompt_worker.guardrails.defaults import DEFAULT_GUARDRAILS
from prompt_worker.guardrails.variables import path_of, walk

SSN = "536-90-4399"


class Endless(Mapping[str, Any]):
    """Holds a new one of its kind each time it is read."""

    def __getitem__(self, key: str) -> Any:
        return Endless()

    def __iter__(self) -> Iterator[str]:
        return iter(["next"])

    def __len__(self) -> int:
        return 1


class Silent:
    def __str__(self) -> str:
        raise ValueError("no text")


def holding_itself(kind: str) -> dict[str, Any]:
    one: dict[str, Any] = {"note": f"SSN {SSN}"}
    several: list[Any] = [f"SSN {SSN}"]
    several.append(several)
    match kind:
        case "dict":
            one["self"] = one
        case "list":
            one["list"] = several
        case "both":
            one["list"] = [several, (one, several), {"deeper": one}]
        case "mapping":
            one["mapping"] = Endless()
    return one


@pytest.mark.parametrize("kind", ["dict", "list", "both", "mapping"])
def test_check_of_what_holds_itself_returns(kind: str) -> None:
    started = time.thread_time()
    found = check(DEFAULT_GUARDRAILS, prompt="Hello", variables=holding_itself(kind))
    assert time.thread_time() - started < 10
    assert found.outcome == "block"
    assert found.findings[0].field == "variable:note"


@pytest.mark.parametrize("kind", ["dict", "list", "both", "mapping"])
def test_mask_of_what_holds_itself_returns(kind: str) -> None:
    masked = mask_all(holding_itself(kind))
    assert masked["note"] == "SSN <US_SSN>"
    if kind == "dict":
        assert masked["self"] == "<circular reference>"
    if kind == "list":
        assert masked["list"] == ["SSN <US_SSN>", "<circular reference>"]


@pytest.mark.parametrize("levels", [1500, 4000])
def test_mask_reaches_the_deepest_level(levels: int) -> None:
    deep: Any = f"SSN {SSN}"
    for number in range(levels):
        deep = {"a": deep} if number % 2 else [deep]
    masked = mask_all(deep)
    for number in reversed(range(levels)):
        masked = masked["a"] if number % 2 else masked[0]
    assert masked == "SSN <US_SSN>"


def test_lists_shared_a_billion_times_are_walked_in_time() -> None:
    shared: list[Any] = [f"SSN {SSN}"]
    for _ in range(30):
        shared = [shared, shared]
    started = time.thread_time()
    assert next(walk({"a": shared}))[1] == f"SSN {SSN}"
    assert check(DEFAULT_GUARDRAILS, variables={"a": shared}).outcome == "block"
    masked = mask_all(shared)
    assert time.thread_time() - started < 20
    for _ in range(30):
        masked = masked[1]
    assert masked == ["SSN <US_SSN>"]


def test_shared_value_is_found_at_each_of_its_places() -> None:
    message = {"content": f"SSN {SSN}"}
    assert [path_of(steps) for steps, _ in walk({"all": [message, message], "last": message})] == [
        "all[0].content",
        "all[1].content",
        "last.content",
    ]


def test_value_without_a_text_is_passed_over() -> None:
    odd = {"digits": 10 ** (sys.get_int_max_str_digits() + 1), "silent": Silent(), "note": f"SSN {SSN}"}
    assert check(DEFAULT_GUARDRAILS, variables=odd).outcome == "block"
    masked = mask_all(odd)
    assert masked["note"] == "SSN <US_SSN>"
    assert masked["digits"] == odd["digits"]
