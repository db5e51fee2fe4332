"""A batch is split by month, whatever months there are; a run is written where all of its ids belong."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest
from psycopg2 import errors

from prompt_worker.platform.postgres.errors import LeafGoneError, classify
from prompt_worker.platform.postgres.leaves import KEPT_SECONDS, Leaves
from prompt_worker.platform.postgres.transactions import Transactions

Months = list[tuple[int, str, int]]
# Two months beside each other, a gap, and one more.
MONTHS: Months = [(100, "a", 200), (200, "b", 300), (400, "c", 500)]


class Found:
    """A database that has these months."""

    def __init__(self, months: Months) -> None:
        self.months = months
        self.asked = 0

    def run(self, _: Callable[..., Any]) -> Months:
        self.asked += 1
        return self.months


def leaves(months: Months, clock: Callable[[], float] = lambda: 0.0) -> Leaves:
    made = Leaves(cast(Transactions, Found(months)), "t", clock)
    made.refresh()
    return made


def place(value: int, months: Months) -> str:
    return next((name for low, name, beyond in months if low <= value < beyond), "t")


@pytest.mark.parametrize(
    ("ids", "runs"),
    [
        ([], []),
        ([100, 150, 199], ["a"]),
        ([99, 100], ["t", "a"]),
        ([199, 200], ["a", "b"]),
        ([299, 300, 399, 400], ["b", "t", "c"]),
        ([1, 2, 499, 500, 501], ["t", "c", "t"]),
        ([(1 << 128) - 1], ["t"]),
    ],
)
def test_batch_is_split_at_the_bounds(ids: list[int], runs: list[str]) -> None:
    known = leaves(MONTHS)
    split = list(known.split(ids, int))
    assert [one for run in split for one in run] == ids
    assert [known.table_for(run[0], run[-1]) for run in split] == runs


def test_random_batches_go_where_each_id_belongs() -> None:
    rng = random.Random(7)
    for _ in range(2000):
        bounds = sorted(rng.sample(range(1000), 8))
        months = [(low, f"m{low}", high) for low, high in zip(bounds[::2], bounds[1::2], strict=True)]
        known = leaves(months)
        ids = sorted(rng.sample(range(1000), rng.randint(1, 20)))
        split = list(known.split(ids, int))
        assert [one for run in split for one in run] == ids
        for run in split:
            assert {place(one, months) for one in run} == {known.table_for(run[0], run[-1])}


def test_without_months_all_goes_to_the_table() -> None:
    known = leaves([])
    assert list(known.split([1, 2, 3], int)) == [[1, 2, 3]]
    assert known.table_for(1, 3) == "t"


def test_batch_that_was_split_before_a_refresh_goes_to_the_table() -> None:
    assert leaves(MONTHS).table_for(150, 250) == "t"


def test_months_are_looked_up_now_and_then() -> None:
    now = [0.0]
    found = Found(MONTHS)
    known = Leaves(cast(Transactions, found), "t", lambda: now[0])
    for now[0] in (0.0, 1.0, KEPT_SECONDS - 1, KEPT_SECONDS, KEPT_SECONDS + 1):
        known.refresh()
    assert found.asked == 2


@pytest.mark.parametrize(
    "error", [errors.UndefinedTable, errors.ObjectNotInPrerequisiteState, errors.InsufficientPrivilege]
)
def test_month_that_is_gone_passes_and_the_table_does_not(error: type[Exception]) -> None:
    known = leaves(MONTHS)
    with pytest.raises(error), known.writing_to("t"):
        raise error
    assert known.table_for(150, 151) == "a"
    with pytest.raises(LeafGoneError) as gone, known.writing_to("a"):
        raise error
    assert classify(gone.value) == "transient"
    assert known.table_for(150, 151) == "t"


def test_threads_share_the_months() -> None:
    known = leaves(MONTHS)
    wrong: list[object] = []

    def use() -> None:
        for _ in range(500):
            for run in known.split([99, 100, 250, 450], int):
                table = known.table_for(run[0], run[-1])
                wrong.extend([table] if table not in ("t", place(run[0], MONTHS)) else [])

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
