"""`prompt-worker experiments`: from a plan to an accepted winner, and what is refused on the way."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from random import Random
from time import monotonic, sleep

import pytest
from queries import rows, scalar
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from prompt_worker.commands.cli import main
from prompt_worker.commands.experiments.plot import LINES, plot
from prompt_worker.experiments.allocation import ranges_of
from prompt_worker.experiments.changing import reweigh
from prompt_worker.experiments.errors import ExperimentError
from prompt_worker.experiments.evaluator import look_each_minute
from prompt_worker.experiments.listing import list_looks, show_experiment
from prompt_worker.experiments.looking import look_at
from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.session import Session
from tests.support.experimenting import (
    TEMPLATE,
    add_experiment,
    add_versions,
    arm_of,
    execution,
    get_experiment,
    insert,
)

Command = Callable[..., str]
HALVES = ("--arm", "control=1:50", "--arm", "variant_a=2:50", "--metric", "success_rate", "--force")


@pytest.fixture
def experiments(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """`prompt-worker experiments ARGUMENTS`: what it prints; fails on another exit code than `code`."""
    monkeypatch.setenv("DATABASE_URL", database)

    def run(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        found = main(["experiments", *arguments])
        printed = capsys.readouterr()
        assert found == code, printed
        return printed.out + printed.err

    return run


def plant(engine: Engine, rates: dict[str, float], units: int = 1_200) -> None:
    """Of an experiment that began ten days ago."""
    rows(engine, "UPDATE ab_test_experiments SET actual_start_date = now() - interval '10 days'")
    experiment = get_experiment(engine)
    random = Random(4)
    now = scalar(engine, "SELECT now()")
    insert(
        engine,
        [
            execution(
                experiment,
                unit,
                status="success" if random.random() < rates[arm_of(experiment, unit) or ""] else "failure",
                executed_at=now.isoformat(),
            )
            for unit in (f"user-{n}" for n in range(units))
            for _ in range(3)
        ],
    )


def test_experiment_from_plan_to_accepted_winner(engine: Engine, experiments: Command) -> None:
    add_versions(engine)
    assert "wording is planned" in experiments("create", "wording", TEMPLATE, *HALVES, "--by", "ann")
    assert get_experiment(engine).status == "draft"
    assert experiments("start", "wording", "--by", "ann") == "wording is active\n"
    [phase] = get_experiment(engine).phases
    assert (phase.seed, phase.shares) == (str(get_experiment(engine).id), {"control": 0.5, "variant_a": 0.5})
    plant(engine, {"control": 0.6, "variant_a": 0.8})
    assert "wording: winner: variant_a is better by success_rate" in experiments("look")
    shown = json.loads(experiments("show", "wording", "--json"))
    assert shown["numbers"]["verdict"]["name"] == "winner"
    assert shown["audit"] == [{"phase": 1, "executions": 3_600, "wrong": 0}]
    assert "variant_a\tsuccess_rate\t0." in experiments("show", "wording")
    assert experiments("looks", "wording").splitlines()[1].split("\t")[2] == "winner"
    assert "wording\tlesson\tactive\twinner" in experiments("list")
    accepted = experiments("accept", "wording", "--reason", "better", "--by", "ann")
    assert accepted == "wording is completed, variant_a was accepted by ann\n"
    assert "accepted by ann already" in experiments("accept", "wording", "--reason", "again", code=65)
    assert get_experiment(engine).phases[0].ended_at is not None
    # A person activates it.
    assert rows(engine, "SELECT version FROM prompt_templates WHERE name = 'lesson' AND is_active") == [(1,)]
    actions = "SELECT action, reason FROM prompt_history WHERE kind = 'experiment' ORDER BY id"
    assert ("edited", "better") in rows(engine, actions)


def test_harm_makes_a_job_fail(engine: Engine, experiments: Command) -> None:
    add_versions(engine)
    experiments("create", "wording", TEMPLATE, *HALVES)
    experiments("start", "wording")
    plant(engine, {"control": 0.8, "variant_a": 0.4})
    assert "harmful: variant_a is worse" in experiments("look", code=1)


def test_job_looks_at_all_others_where_one_cannot_be_looked_at(engine: Engine, experiments: Command) -> None:
    add_versions(engine)
    add_experiment(engine)
    add_versions(engine, name="second")
    rows(
        engine,
        "INSERT INTO ab_test_experiments (name, template_name, status, arms, traffic_allocation, primary_metric, "
        "actual_start_date) SELECT 'of before', 'second', 'active', "
        "jsonb_object_agg(CASE version WHEN 1 THEN 'control' ELSE 'b' END, id), '{}', 'clicks', now() "
        "FROM prompt_templates WHERE name = 'second'",
    )
    printed = experiments("look", code=65)
    assert "of before: no metric is named clicks: give one of success_rate" in printed
    assert "wording: collecting" in printed
    assert "no metric is named clicks" in experiments("look", "of before", code=65)


def test_paused_experiment_goes_on_and_stopped_one_has_ended(engine: Engine, experiments: Command) -> None:
    add_versions(engine)
    experiments("create", "wording", TEMPLATE, *HALVES)
    assert "needs one that is active" in experiments("pause", "wording", "--reason", "r", code=65)
    experiments("start", "wording")
    assert experiments("pause", "wording", "--reason", "an incident") == "wording is paused\n"
    assert experiments("resume", "wording", "--reason", "over") == "wording is active\n"
    assert experiments("stop", "wording", "--reason", "enough") == "wording is completed\n"
    assert get_experiment(engine).actual_end_date is not None
    assert "is completed" in experiments("resume", "wording", "--reason", "r", code=65)


def test_weights_change_by_a_phase(engine: Engine, experiments: Command) -> None:
    add_versions(engine)
    add_experiment(engine, weights={"control": 10, "variant_a": 10})

    def reweigh(*weights: str, code: int = 0) -> str:
        return experiments("reweigh", "wording", "--reason", "r", "--weights", *weights, code=code)

    assert reweigh("control=40", "variant_a=40") == (
        "wording: control 40 %, variant_a 40 % from phase 2 on: each unit keeps its arm\n"
    )
    assert reweigh("control=20", "variant_a=60") == (
        "wording: control 20 %, variant_a 60 % from phase 3 on: all units are assigned again; the comparison begins "
        "again\n"
    )
    assert "give a weight to each of control, variant_a" in reweigh("control=20", code=65)
    assert "control is given twice" in reweigh("control=20", "variant_a=40", "control=40", code=65)
    assert "at most 100" in reweigh("control=60", "variant_a=60", code=65)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--arm", "control=1:50", "--arm", "variant_a=2:60", "--metric", "success_rate"), "add up to 110"),
        (
            ("--arm", "control=1:50", "--arm", "variant_a=2:0", "--metric", "success_rate"),
            "weight of variant_a is 0",
        ),
        (
            ("--arm", "control=1:50", "--arm", "variant_a=9:50", "--metric", "success_rate"),
            "has no version 9",
        ),
        (
            ("--arm", "control=1:50", "--arm", "variant_a=1:50", "--metric", "success_rate"),
            "the same version",
        ),
        (
            ("--arm", "control=1:50", "--arm", "variant_a=2:50", "--metric", "clicks"),
            "no metric is named clicks",
        ),
        (
            ("--arm", "control=1:50", "--arm", "variant_a=2:50", "--metric", "feedback:x"),
            "no feedback was ever named x",
        ),
        (("--arm", "a=1:50", "--arm", "b=2:50", "--metric", "success_rate"), "needs the arm control"),
        (
            ("--arm", "control=1:50", "--arm", "v=2:25", "--arm", "v=2:25", "--metric", "success_rate"),
            "v is given twice",
        ),
        (
            ("--arm", "control=1:50", "--arm", "variant_a=2:50", "--metric", "success_rate"),
            "too little traffic",
        ),
    ],
)
def test_plan_that_cannot_work_is_refused(
    engine: Engine, experiments: Command, arguments: tuple[str, ...], why: str
) -> None:
    add_versions(engine)
    assert why in experiments("create", "wording", TEMPLATE, *arguments, code=65)
    assert scalar(engine, "SELECT count(*) FROM ab_test_experiments") == 0


def test_second_experiment_on_a_name_is_refused(engine: Engine, experiments: Command) -> None:
    add_versions(engine, 3)
    experiments("create", "wording", TEMPLATE, *HALVES)
    experiments("create", "other", TEMPLATE, *HALVES)
    experiments("start", "wording")
    assert 'experiment "wording" is on "lesson" already' in experiments("start", "other", code=65)
    assert "named wording already" in experiments("create", "wording", TEMPLATE, *HALVES, code=65)
    assert "no experiment is named missing" in experiments("show", "missing", code=66)


def test_growth_keeps_the_seed_and_other_weights_get_a_new_one(engine: Engine) -> None:
    add_versions(engine)
    experiment = add_experiment(engine, weights={"control": 10, "variant_a": 10})
    session = Session(engine)
    grown = reweigh(session, "wording", {"control": 50, "variant_a": 50}, why="more", by="ann")
    assert [(phase.seed, phase.restarts) for phase in grown.phases] == [
        (str(experiment.id), True),
        (str(experiment.id), False),
    ]
    members = {unit: arm_of(experiment, unit) for unit in (f"u{n}" for n in range(500))}
    assert all(arm_of(grown, unit) == arm for unit, arm in members.items() if arm)
    changed = reweigh(session, "wording", {"control": 20, "variant_a": 80}, why="faster", by="ann")
    assert (changed.phases[2].seed, changed.phases[2].restarts) == (f"{experiment.id}/3", True)
    insert(engine, [execution(experiment, "u1"), execution(changed, "u2")])
    looked = look_at(session, "wording")
    assert looked.look is not None
    evidence = looked.look.evidence
    assert sum(evidence.rows.values()) == 1
    assert evidence.restarts == 1
    assert "earlier_phase" in evidence.excluded or "outside" in evidence.excluded


def test_what_has_started_is_decided(engine: Engine) -> None:
    add_versions(engine)
    add_experiment(engine)
    for column, value in (
        ("primary_metric", "'cost_usd'"),
        ("minimum_sample_size", "10"),
        ("unit_kind", "'session'"),
    ):
        with pytest.raises(DBAPIError, match="what it compares is decided"):
            rows(engine, f"UPDATE ab_test_experiments SET {column} = {value}")
    look_at(Session(engine), "wording")
    for harm in (
        "UPDATE ab_test_looks SET p_value = 0.01",
        "DELETE FROM ab_test_looks",
        "TRUNCATE ab_test_looks",
        "DELETE FROM ab_test_phases",
        "UPDATE ab_test_phases SET seed = 'x'",
    ):
        with pytest.raises(DBAPIError, match="only ever"):
            rows(engine, harm)


def test_template_of_an_arm_stays_under_its_name(engine: Engine) -> None:
    add_versions(engine)
    add_experiment(engine)
    for version in (1, 2):
        with pytest.raises(DBAPIError, match=r"violates|is an arm of experiment"):
            rows(engine, f"DELETE FROM prompt_templates WHERE name = 'lesson' AND version = {version}")
    rows(engine, "UPDATE prompt_registry SET \"freeze\" = 'record'")
    with pytest.raises(DBAPIError, match="is an arm of experiment"):
        rows(engine, "UPDATE prompt_templates SET name = 'other' WHERE name = 'lesson' AND version = 2")
    # It need not be active.
    rows(engine, "UPDATE prompt_templates SET is_active = false WHERE name = 'lesson'")
    assert look_at(Session(engine), "wording").look is not None


def test_evaluator_looks_until_it_is_stopped(engine: Engine) -> None:
    add_versions(engine)
    add_experiment(engine)
    stop = threading.Event()
    thread = threading.Thread(target=look_each_minute, args=(Session(engine), stop, 0.05))
    thread.start()
    until = monotonic() + 20
    while not scalar(engine, "SELECT count(*) FROM ab_test_looks") and monotonic() < until:
        sleep(0.05)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    assert get_experiment(engine).verdict == "collecting"


def as_role(database: str, role: str) -> Engine:
    return connect(f"{database}?options=-c%20role%3D{role}", application_name="test")


def test_worker_of_experiments_looks_and_sees_no_texts(engine: Engine, database: str) -> None:
    add_versions(engine)
    add_experiment(engine, protected_metrics='["execution_time_p95"]')
    worker = as_role(database, "prompt_experiment_worker")
    assert look_at(Session(worker), "wording").is_new
    for statement in (
        "SELECT rendered_prompt FROM prompt_executions",
        "SELECT user_id FROM prompt_executions",
        "UPDATE ab_test_experiments SET status = 'completed'",
    ):
        with pytest.raises(DBAPIError, match="permission denied"):
            rows(worker, statement)
    worker.dispose()


def test_operator_owns_experiments_and_reader_sees_no_unit(engine: Engine, database: str) -> None:
    add_versions(engine)
    operator = as_role(database, "prompt_operator")
    add_experiment(operator, actual_end_date=None)
    session = Session(operator)
    assert look_at(session, "wording").look is not None
    assert reweigh(session, "wording", {"control": 20, "variant_a": 80}, why="r", by="ann").phases[1].restarts
    assert show_experiment(session, "wording").audit[0].wrong == 0
    operator.dispose()
    reader = as_role(database, "prompt_reader")
    rows(reader, "SELECT * FROM v_ab_test_arms, v_ab_test_audit, ab_test_looks, ab_test_phases")
    with pytest.raises(DBAPIError, match="permission denied"):
        rows(reader, "SELECT unit FROM v_ab_test_units")
    with pytest.raises(DeploymentError):
        look_at(Session(reader), "wording")
    reader.dispose()


def test_ten_thousand_looks_are_shown_in_a_moment(engine: Engine) -> None:
    add_versions(engine)
    add_experiment(engine)
    rows(
        engine,
        "INSERT INTO ab_test_looks (experiment_id, phase, looked_at, planned, verdict, reason, units, ratio_p, "
        "intervals, numbers) SELECT id, 1, now() + n * interval '1 minute', false, 'collecting', 'r', n, 1, "
        """jsonb_build_object('variant_a', jsonb_build_array(0.1, -1000.0 / n, 0.2 + 1000.0 / n)), """
        """jsonb_build_object('text', repeat('x', 1500)) FROM ab_test_experiments, generate_series(1, 10000) n""",
    )
    session = Session(engine)
    # Alone it takes less than 0.1 s.
    assert any(_seconds(session) < 0.5 for _ in range(20))
    experiment, looks = list_looks(session, "wording")
    lines = list(plot(looks, "variant_a"))
    assert len(lines) == LINES + 1
    assert "●" in lines[-1]
    assert looks[-1].looked_at.strftime("%m-%d %H:%M") in lines[-1]
    assert experiment.name == "wording"


def _seconds(session: Session) -> float:
    started = monotonic()
    list_looks(session, "wording")
    return monotonic() - started


def test_planned_look_ends_other_weights(engine: Engine) -> None:
    add_versions(engine)
    experiment = add_experiment(engine, minimum_sample_size=300)
    insert(engine, [execution(experiment, f"u{n}", status=("success", "failure")[n % 2]) for n in range(400)])
    look = look_at(Session(engine), "wording").look
    assert look is not None
    assert look.planned is not None
    with pytest.raises(ExperimentError, match="planned look"):
        reweigh(Session(engine), "wording", {"control": 20, "variant_a": 80}, why="r", by="ann")
    assert ranges_of({"control": 20, "variant_a": 80})
