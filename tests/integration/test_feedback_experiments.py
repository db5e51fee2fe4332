"""Experiments whose metric is feedback: what counts of it, the verdict, and names that nobody ever used."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from queries import rows, scalar
from sqlalchemy import Engine

from prompt_worker.commands.cli import main
from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Verdict
from prompt_worker.experiments.judging.look import Look
from prompt_worker.experiments.looking import look_at
from prompt_worker.experiments.statistics.moments import Moments
from prompt_worker.experiments.stored import Experiment
from prompt_worker.feedback.writer import FeedbackWriter
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.session import Session
from tests.support.experimenting import (
    START,
    TEMPLATE,
    add_experiment,
    add_versions,
    arm_of,
    execution,
    insert,
)
from tests.support.feedback import feedback, feedback_body

HELPFUL = "feedback:helpful"
DAY = START + timedelta(days=1)

Given = list[dict[str, Any]]


def write(engine: Engine, events: Iterable[dict[str, Any]]) -> None:
    bodies = [feedback_body(**event) for event in events]
    outcomes = FeedbackWriter(engine, threading.Event())([Message(one, {}, "") for one in bodies])
    assert set(outcomes) <= {Verdict.WRITTEN, Verdict.DUPLICATE}


def about(execution: dict[str, Any], value: float, **fields: Any) -> dict[str, Any]:
    return feedback(**{"request_id": execution["request_id"], "value": value, "at": DAY.isoformat()} | fields)


def look(engine: Engine) -> Look:
    found = look_at(Session(engine), "wording").look
    assert found is not None
    return found


def rated(experiment: Experiment, rates: dict[str, float], units: int = 250) -> tuple[Given, Given]:
    """Three calls of each unit; users rate two thirds of them, a part of which helpful."""
    random = Random(4)
    executions, events = [], []
    counts: dict[str, int] = defaultdict(int)
    for number in range(3 * units):
        arm = arm_of(experiment, f"user-{number}")
        if arm is None or counts[arm] == units:
            continue
        counts[arm] += 1
        calls = [execution(experiment, f"user-{number}") for _ in range(3)]
        executions += calls
        events += [
            about(call, float(random.random() < rates[arm])) for call in calls if random.random() < 2 / 3
        ]
    return executions, events


def test_sums_are_of_requests_by_what_each_source_said_last(engine: Engine) -> None:
    add_versions(engine)
    experiment = add_experiment(
        engine, primary_metric=HELPFUL, protected_metrics='["feedback:edits:lower", "cost_usd"]'
    )
    random = Random(8)
    executions: Given = []
    events: Given = []
    expected: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for number in range(60):
        unit = f"user-{number}"
        arm = arm_of(experiment, unit)
        assert arm is not None
        sums = {HELPFUL: [0.0, 0.0], "feedback:edits:lower": [0.0, 0.0]}
        for _ in range(random.randrange(1, 6)):
            call = execution(experiment, unit)
            # A request may call the prompt more than once, and an attempt may have failed before.
            again = [execution(experiment, unit, request_id=call["request_id"])] * random.randrange(2)
            if not again and random.random() < 0.2:
                call["attempt"] = 2
                again = [execution(experiment, unit, request_id=call["request_id"], attempt=1)]
            executions += [call, *again]
            for metric, name in ((HELPFUL, "helpful"), ("feedback:edits:lower", "edits")):
                said = []
                for source in random.sample(["user", "judge", "tutor"], random.randrange(3)):
                    values = [round(random.uniform(-1, 1), 3) for _ in range(random.randrange(1, 4))]
                    # Long after the experiment, and each again later.
                    events += [
                        about(
                            call,
                            value,
                            name=name,
                            source=source,
                            at=(DAY + timedelta(days=40, hours=hour)).isoformat(),
                        )
                        for hour, value in enumerate(values)
                    ]
                    said.append(values[-1])
                if said:
                    sums[metric][0] += 1
                    sums[metric][1] += sum(said) / len(said)
        for metric, (n, s) in sums.items():
            if n:
                expected[metric][arm].append((n, s))
    other = execution(experiment, "user-1", environment="production", prompt_source="builtin")
    executions.append(other)
    # Of what does not count, of requests that nobody recorded, and of before.
    events += [about(other, -1), feedback(value=-1), about(executions[0], 1, at="2026-01-01T00:00:00Z")]
    insert(engine, executions)
    random.shuffle(events)
    looks = []
    for _ in range(3):
        write(engine, events)
        looks.append(look(engine))
    measured = looks[0].evidence.measured
    assert {each.evidence.measured == measured for each in looks} == {True}
    assert scalar(engine, "SELECT count(*) FROM ab_test_looks") == 1
    for metric, arms in expected.items():
        for arm, pairs in arms.items():
            most = sorted((n for pairs in arms.values() for n, _ in pairs), reverse=True)[1]
            capped = [(min(n, most), s * min(1, most / n)) for n, s in pairs]
            found, wanted = measured[metric][arm].moments, Moments.of(capped)
            for name in ("units", "weight", "total", "squares", "cross", "weight_squares"):
                assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-9), (
                    metric,
                    arm,
                    name,
                )


@pytest.mark.parametrize(
    ("metric", "rates", "verdict"),
    [
        (HELPFUL, {"control": 0.5, "variant_a": 0.7}, "winner"),
        (HELPFUL, {"control": 0.7, "variant_a": 0.5}, "harmful"),
        (HELPFUL, {"control": 0.6, "variant_a": 0.6}, "inconclusive"),
        (f"{HELPFUL}:lower", {"control": 0.7, "variant_a": 0.5}, "winner"),
    ],
)
def test_feedback_decides(engine: Engine, metric: str, rates: dict[str, float], verdict: str) -> None:
    add_versions(engine)
    experiment = add_experiment(engine, primary_metric=metric, minimum_sample_size=400)
    executions, events = rated(experiment, rates)
    insert(engine, executions)
    assert look(engine).p_value is None, "nobody rated yet"
    write(engine, events)
    found = look(engine)
    assert found.verdict.name == verdict
    [(control, variants)] = rows(
        engine, "SELECT control_metric_value, variant_metric_values FROM ab_test_experiments"
    )
    assert float(control) == pytest.approx(rates["control"], abs=0.05)
    assert variants["variant_a"] == pytest.approx(rates["variant_a"], abs=0.05)


def test_feedback_that_comes_later_is_a_look_of_its_own(engine: Engine) -> None:
    add_versions(engine)
    experiment = add_experiment(engine, primary_metric=HELPFUL)
    executions, events = rated(experiment, {"control": 0.5, "variant_a": 0.6}, units=40)
    insert(engine, executions)
    write(engine, events)
    assert look_at(Session(engine), "wording").is_new
    assert not look_at(Session(engine), "wording").is_new
    # Somebody thinks again.
    write(
        engine,
        [{**events[0], "event_id": str(uuid4()), "value": -1, "at": (DAY + timedelta(hours=1)).isoformat()}],
    )
    assert look_at(Session(engine), "wording").is_new


@pytest.fixture
def experiments(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))

    def run(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        found = main(["experiments", *arguments])
        printed = capsys.readouterr()
        assert found == code, printed
        return printed.out + printed.err

    return run


def test_name_that_nobody_ever_used_is_refused(engine: Engine, experiments: Callable[..., str]) -> None:
    add_versions(engine)
    create = (
        "create",
        "wording",
        TEMPLATE,
        "--arm",
        "control=1:50",
        "--arm",
        "variant_a=2:50",
        "--metric",
        HELPFUL,
    )
    assert "none is recorded at all" in experiments(*create, code=65)
    # A draft may come before its feedback; its start may not.
    experiments(*create, "--force")
    write(engine, [feedback(name="helpfull\x1b")])
    refused = experiments("start", "wording", code=65)
    assert "no feedback was ever named helpful, recorded are helpfull?" in refused
    write(engine, [feedback()])
    experiments("start", "wording")
    shown = json.loads(experiments("show", "wording", "--json"))
    assert HELPFUL in json.dumps(shown)


def test_worker_of_experiments_may_read_feedback(engine: Engine) -> None:
    add_versions(engine)
    experiment = add_experiment(engine, primary_metric=HELPFUL)
    executions, events = rated(experiment, {"control": 0.5, "variant_a": 0.6}, units=10)
    insert(engine, executions)
    write(engine, events)
    url = engine.url.update_query_dict({"options": "-c role=prompt_experiment_worker"})
    own = connect(url.render_as_string(hide_password=False), application_name="tests")
    assert look_at(Session(own), "wording").is_new
    own.dispose()
