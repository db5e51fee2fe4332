"""`experiments suggest`: which prompts fail, are slow or dear, over units, and how long a test would take."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from queries import rows, scalar
from sqlalchemy import Engine

from prompt_worker.commands.cli import main
from prompt_worker.experiments.errors import ExperimentError
from prompt_worker.experiments.judging.metrics import QUANTILE
from prompt_worker.experiments.statistics import quantile, sample_size
from prompt_worker.experiments.statistics.moments import Moments
from prompt_worker.experiments.suggesting import Found, Suggestions, suggest
from prompt_worker.platform.postgres.session import Session
from tests.support import experimenting

Calls = dict[str, list[dict[str, Any]]]


def some_calls(name: str, failing: float, slow: int, now: datetime, units: int = 60) -> Calls:
    """By unit; the cost is in millionths."""
    random = Random(name)
    return {
        f"{name}-{unit}": [
            {
                "id": str(uuid4()),
                "version": 1,
                "status": "failure" if random.random() < failing else "success",
                "execution_time_ms": random.randrange(slow),
                "cost_usd": random.randrange(1_000) / 1e6,
                "executed_at": (now - timedelta(hours=random.uniform(0.1, 24 * 6.9))).isoformat(),
                "user_id": f"{name}-{unit}",
            }
            for _ in range(random.randrange(1, 6))
        ]
        for unit in range(units)
    }


@pytest.fixture
def calls(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> dict[str, Calls]:
    """Of three prompts: one fails, one is slow, and one never fails."""
    now = scalar(engine, "SELECT now()")
    made = {
        "failing": some_calls("failing", 0.4, 900, now),
        "slow": some_calls("slow", 0.1, 9_000, now),
        "sure": some_calls("sure", 0.0, 300, now),
    }
    for name, of_units in made.items():
        experimenting.add_versions(engine, 1, name)
        monkeypatch.setattr(experimenting, "TEMPLATE", name)
        experimenting.insert(engine, [call for unit in of_units.values() for call in unit])
    return made


def expected(pairs: list[tuple[float, float]], days: float, target: float) -> Found:
    moments = Moments.of(pairs)
    ratio, variance = moments.ratio, moments.variance
    assert ratio is not None
    assert variance is not None
    radius = 1.959963984540054 * variance**0.5
    needed = 2 * sample_size.of_means(variance * moments.units, ratio * target)
    waited = max(7.0, needed / (moments.units / days))
    return Found("failure_rate", ratio, (ratio - radius, ratio + radius), needed, waited)


def test_suggestions_are_those_of_the_definitions(engine: Engine, calls: dict[str, Calls]) -> None:
    found = suggest(Session(engine), days=7, target=0.2)
    assert [each.name for each in found.prompts] == ["failing", "slow", "sure"]
    assert (found.read, found.is_cut) == (sum(len(c) for of in calls.values() for c in of.values()), False)
    first = found.prompts[0]
    units = calls["failing"].values()
    pairs = [(len(unit), sum(call["status"] == "failure" for call in unit)) for unit in units]
    wanted = expected(pairs, 7, 0.2)
    assert first.failures is not None
    assert first.failures.interval == pytest.approx(wanted.interval)
    assert (first.failures.value, first.failures.needed) == (wanted.value, wanted.needed)
    assert first.failures.days == pytest.approx(wanted.days)
    assert (first.units, first.failing) == (60, sum(failed for _, failed in pairs))
    assert first.units_a_day == pytest.approx(60 / 7)
    times = quantile.of_calls(QUANTILE, [[call["execution_time_ms"] for call in unit] for unit in units])
    assert times is not None
    assert first.p95 is not None
    assert first.p95.value == times[0]
    assert first.p95.interval == pytest.approx(
        (times[0] - 1.959963984540054 * times[1] ** 0.5, times[0] + 1.959963984540054 * times[1] ** 0.5)
    )
    assert first.cost is not None
    successes = sum(call["status"] == "success" for unit in units for call in unit)
    assert first.cost.value == pytest.approx(
        sum(call["cost_usd"] for unit in units for call in unit) / successes
    )
    # Nothing is left to improve.
    sure = found.prompts[2].failures
    assert sure is not None
    assert (sure.value, sure.needed, sure.days) == (0.0, None, None)


def test_reads_are_bounded_and_say_so(engine: Engine, calls: dict[str, Calls]) -> None:
    session = Session(engine)
    found = suggest(session, days=7, rows=100)
    assert (found.read, found.is_cut) == (100, True)
    times = sorted(call["executed_at"] for of in calls.values() for unit in of.values() for call in unit)
    reached = found.at - datetime.fromisoformat(times[-100])
    assert found.days == pytest.approx(reached.total_seconds() / 86_400, rel=1e-6)
    assert suggest(session, days=0.001).prompts == []
    for days in (0, 3e6, float("nan")):
        with pytest.raises(ExperimentError, match="cannot be looked at: give 1 to 36,500"):
            suggest(session, days=days)
    with pytest.raises(ExperimentError, match="a target above 0"):
        suggest(session, target=0)


def test_calls_without_a_unit_are_counted_alone(engine: Engine, calls: dict[str, Calls]) -> None:
    rows(engine, "UPDATE prompt_executions SET user_id = NULL WHERE template_name = 'slow'")
    slow = next(each for each in suggest(Session(engine)).prompts if each.name == "slow")
    assert (slow.units, slow.no_unit) == (0, sum(map(len, calls["slow"].values())))
    assert (slow.failures, slow.p95, slow.cost) == (None, None, None)


def test_suggestions_as_they_are_printed(
    database: str,
    calls: dict[str, Calls],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", database)

    def run(*arguments: str, code: int = 0) -> str:
        assert main(["experiments", "suggest", *arguments]) == code
        printed = capsys.readouterr()
        return printed.out + printed.err

    printed = run("--by", "p95", "--top", "2")
    heading, columns, first, second, advice = printed.splitlines()
    assert heading.endswith(" executions of the last 14 days")
    assert columns.split("\t")[0] == "prompt"
    assert [line.split("\t")[0] for line in (first, second)] == ["slow", "failing"]
    assert " … " in first
    assert "a test of two versions that finds a change of 10% in execution_time_p95" in advice
    found = json.loads(run("--json"))
    assert json.loads(json.dumps(found))["prompts"][0]["name"] == "failing"
    assert Suggestions.__struct_fields__ == tuple(found)
    assert "0 executions" in run("--environment", "nowhere")
    assert "give a target above 0" in run("--target", "-1", code=65)
