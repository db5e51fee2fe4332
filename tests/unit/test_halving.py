"""Which rows of a batch are refused, handed back or written, by what the database says of them and of others."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import psycopg2
import pytest
from psycopg2 import errors

from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres import halving
from prompt_worker.platform.postgres.halving import FAILURES, Halving
from prompt_worker.platform.postgres.transactions import PATIENCE

pytestmark = pytest.mark.usefixtures("without_pauses")


class OfTheEvent(errors.CheckViolation):
    pgcode = "23514"


class Unknown(errors.InternalError_):
    pgcode = "XX000"


class Passing(errors.LockNotAvailable):
    pgcode = "55P03"


class OfTheDeployment(errors.UndefinedTable):
    pgcode = "42P01"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


class Table:
    """Writes numbers, except those that `errors` has an error for."""

    def __init__(self, errors: dict[int, type[psycopg2.Error]]) -> None:
        self.errors = errors
        self.clock = Clock()
        self.rows: list[int] = []
        self.refused: list[int] = []
        self.attempts = 0
        # How long a failure takes.
        self.seconds = 0.0
        self._halving: Halving[int] = Halving(threading.Event(), lambda row: row, self.clock)

    def write(self, rows: Sequence[int]) -> None:
        self.attempts += 1
        for row in rows:
            if row in self.errors:
                self.clock.now += self.seconds
                raise self.errors[row]("somebody's text")
        self.rows += rows

    def add(self, *rows: int) -> None:
        self._halving(rows, self.write, lambda row, _: self.refused.append(row))


@pytest.fixture
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halving, "PAUSE", 0.0)


@pytest.mark.parametrize("error", [OfTheEvent, Unknown])
@pytest.mark.parametrize("bad", [{0}, {99}, {50}, {3, 4, 5, 77}, set(range(0, 100, 2)), set(range(99))])
def test_bad_rows_are_refused_and_all_others_written(error: type[psycopg2.Error], bad: set[int]) -> None:
    table = Table(dict.fromkeys(bad, error))
    table.add(*range(100))
    assert sorted(table.refused) == sorted(bad)
    assert sorted(table.rows) == sorted(set(range(100)) - bad)


def test_one_bad_row_of_a_thousand_costs_few_attempts() -> None:
    table = Table({617: Unknown})
    table.add(*range(1000))
    assert table.attempts <= 24


def test_row_of_its_own_error_is_refused_alone() -> None:
    table = Table({1: OfTheEvent})
    table.add(1)
    assert table.refused == [1]


def test_unknown_error_of_a_row_alone_needs_evidence() -> None:
    table = Table({1: Unknown})
    for _ in range(3):
        table.add(1)
    assert table.refused == []
    table.add(2)
    table.add(1)
    assert (table.refused, table.rows) == ([1], [2])


def test_what_was_written_before_is_no_evidence() -> None:
    table = Table({1: Unknown})
    table.add(2)
    table.add(1)
    assert table.refused == []


def test_row_that_passes_later_is_no_longer_doubted() -> None:
    table = Table({1: Unknown})
    table.add(1)
    del table.errors[1]
    table.add(1)
    table.errors[1] = Unknown
    table.add(1)
    assert (table.rows, table.refused) == ([1], [])


def test_whole_batch_in_doubt_is_refused_by_nobody() -> None:
    table = Table(dict.fromkeys(range(50), Unknown))
    table.add(*range(50))
    assert (table.rows, table.refused) == ([], [])


def test_patience_ends_only_while_every_batch_fails() -> None:
    table = Table({1: Unknown})
    for _ in range(FAILURES):
        table.add(1)
    table.clock.now += PATIENCE - 1
    table.add(2)
    table.add(*[1] * (FAILURES // 2))
    table.clock.now += PATIENCE
    table.errors[3] = Unknown
    with pytest.raises(DeploymentError, match=r"failed every batch for 120 s: unknown \(XX000\)") as raised:
        table.add(*[3] * FAILURES)
    assert "somebody's text" not in str(raised.value)


def test_patience_lasts_for_halves_of_which_each_takes_long() -> None:
    table = Table(dict.fromkeys(range(0, 64, 8), Unknown))
    table.seconds = PATIENCE / 4
    table.add(*range(64))
    assert len(table.rows) == 56


@pytest.mark.parametrize("error", [Passing, OfTheDeployment])
def test_every_other_error_is_raised_at_once(error: type[psycopg2.Error]) -> None:
    table = Table({5: error})
    with pytest.raises(error):
        table.add(*range(10))
    assert table.attempts == 1


def test_nothing_is_written_for_no_rows() -> None:
    table = Table({})
    table.add()
    assert table.attempts == 0


def test_memory_of_doubtful_rows_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halving, "REMEMBERED", 10)
    table = Table(dict.fromkeys(range(100), Unknown))
    table.add(*range(100))
    assert len(table._halving._doubtful) == 10
