"""What evaluators do about a canary that does harm, however many look and whatever ends them."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from time import monotonic, sleep
from typing import Any

import psycopg2
import pytest
from queries import rows, scalar
from rolling_out import CANARY, STATE, begin, history, look, serve, with_versions
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from prompt_worker import PromptTemplateService
from prompt_worker.commands.cli import main
from prompt_worker.experiments.evaluator import look_each_minute
from prompt_worker.experiments.rollouts.guarding import look_and_guard
from prompt_worker.platform import telemetry
from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.session import Session
from tests.support.authoring import Desk
from tests.support.experimenting import TEMPLATE, add_experiment, arm_of, get_experiment
from tests.support.registry import soon
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.embedded_only


@pytest.fixture
def owner(desk: Desk) -> Desk:
    return with_versions(desk)


class Watching:
    """An evaluator that runs until it has counted its alarms, and a little longer: each is said once."""

    def __init__(self, database: str, caplog: pytest.LogCaptureFixture) -> None:
        self.counted: list[str] = []
        self._database, self._caplog = database, caplog

    def count(self, metric: str, **_: str) -> None:
        if metric in ("experiment_alerts", "rollbacks"):
            self.counted.append(metric)

    def __call__(self, alarms: int) -> list[Any]:
        """Lines of the log."""
        worker = connect(
            f"{self._database}?options=-c%20role%3Dprompt_experiment_worker", application_name="test"
        )
        stop = threading.Event()
        thread = threading.Thread(target=look_each_minute, args=(Session(worker), stop, 0.05))
        with self._caplog.at_level(logging.ERROR):
            thread.start()
            until = monotonic() + 20
            while len(self.counted) < alarms and monotonic() < until:
                sleep(0.02)
            sleep(0.2)
            stop.set()
            thread.join()
        worker.dispose()
        return self._caplog.records


@pytest.fixture
def watch(database: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Watching:
    watching = Watching(database, caplog)
    monkeypatch.setattr(telemetry, "count", watching.count)
    return watching


def numbers_of(record: Any) -> str:
    canary = record.fields["canary"]
    return f"{canary['failing']} of {canary['units']} units failed with the canary"


def test_bad_canary_is_rolled_back(owner: Desk, engine: Engine, watch: Watching) -> None:
    begin(owner, auto=True)
    serve(engine, failing=0.4)
    revision = scalar(engine, "SELECT revision FROM prompt_registry")
    alert, record = watch(2)
    assert watch.counted == ["experiment_alerts", "rollbacks"]
    assert (alert.fields["event"], record.fields["event"]) == ("experiment_alert", "rolled_back")
    assert numbers_of(record) in record.message
    assert owner.production(TEMPLATE) == 1
    assert rows(engine, STATE) == [("completed", "harmful")]
    action, version, reason = history(engine)[-1]
    assert (action, version) == ("rolled_back", 2)
    assert str(reason).startswith(f"rolled back automatically: {numbers_of(record)}")
    # Services hear of it.
    assert scalar(engine, "SELECT revision FROM prompt_registry") == revision + 1
    shown = owner("rollout", "show", TEMPLATE)
    assert "the rollout of version 2 ended, all went back to version 1" in shown


def test_bad_canary_stays_where_nobody_asked_to_roll_back(
    owner: Desk, engine: Engine, watch: Watching
) -> None:
    begin(owner)
    serve(engine, failing=0.4)
    [record] = watch(1)
    assert watch.counted == ["experiment_alerts"]
    assert record.fields["event"] == "experiment_alert"
    assert "units failed with the canary" in record.message
    assert "take it back with 'prompt-worker prompts rollout abort lesson'" in record.message
    assert rows(engine, STATE) == [("active", "harmful")]
    assert "it is harmful" in owner("rollout", "advance", TEMPLATE, code=1)
    assert "needs a reason" in owner("rollout", "advance", TEMPLATE, "--force", code=1)
    assert "all went back to version 1" in owner("rollout", "abort", TEMPLATE, "--reason", "it fails")
    assert history(engine)[-1] == ("rolled_back", 2, "it fails")
    assert rows(engine, STATE) == [("completed", "harmful")]


def test_good_canary_stays_and_violations_count_where_asked(
    owner: Desk, engine: Engine, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(owner, auto=True)
    serve(engine, failing=0.4, guardrail_action="warn")
    assert "lesson@2: collecting: no harm is found: no failure in 400 units" in look(database, capsys)
    owner("rollout", "abort", TEMPLATE)
    owner.query("UPDATE ab_test_experiments SET name = 'before'")
    begin(owner, auto=True, violations=True)
    serve(engine, failing=0.4, guardrail_action="warn")
    assert "rolled back, everybody gets the version in production" in look(database, capsys, code=1)


def test_harm_that_was_found_once_stays_found(
    owner: Desk, engine: Engine, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(owner)
    serve(engine, failing=0.4)
    found = look(database, capsys, code=1)
    serve(engine, failing=0.0, others=0.9, units=3_000)
    assert look(database, capsys, code=1) == found


def test_two_evaluators_at_once_roll_back_once(owner: Desk, engine: Engine) -> None:
    begin(owner, auto=True)
    serve(engine, failing=0.4)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: look_and_guard(Session(engine), CANARY), range(6)))
    assert sum(rolled_back for _, rolled_back in found) == 1
    assert [action for action, *_ in history(engine)] == ["rolling_out", "rolled_back"]


def test_next_evaluator_completes_the_rollback_of_one_that_was_killed(
    owner: Desk, engine: Engine, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(owner, auto=True)
    serve(engine, failing=0.4)
    settings = {"DATABASE_URL": database}
    with closing(psycopg2.connect(database)) as owners:
        # The look is stored; its rollback waits for an owner's change.
        owners.cursor().execute("SELECT FROM prompt_registry FOR UPDATE")
        with WorkerProcess(settings, "-m", "prompt_worker", "run", "experiments") as evaluator:
            evaluator.wait_for(
                lambda _: scalar(engine, "SELECT count(*) FROM ab_test_looks WHERE verdict = 'harmful'")
            )
            evaluator.kill()
        owners.rollback()
    assert get_experiment(engine, CANARY).status == "active"
    assert "rolled back" in look(database, capsys, code=1)
    assert [action for action, *_ in history(engine)] == ["rolling_out", "rolled_back"]


def test_evaluator_may_end_nothing_but_harm_that_it_was_asked_to_end(
    owner: Desk, engine: Engine, database: str
) -> None:
    worker = connect(f"{database}?options=-c%20role%3Dprompt_experiment_worker", application_name="test")
    roll_back = "SELECT roll_back_prompt_rollout(id) FROM ab_test_experiments WHERE status = 'active'"
    look_that_says_so = (
        "INSERT INTO ab_test_looks (experiment_id, phase, looked_at, planned, verdict, reason, units, ratio_p, "
        "intervals, numbers) SELECT id, 1, now(), false, 'harmful', 'it fails', 1, 1, '{}', '{}' "
        "FROM ab_test_experiments"
    )
    try:
        begin(owner, auto=True)
        assert rows(worker, roll_back) == [(None,)]
        for statement in (
            "SELECT end_prompt_rollout(id, false) FROM ab_test_experiments",
            "UPDATE ab_test_experiments SET status = 'completed'",
        ):
            with pytest.raises(DBAPIError, match="permission denied"):
                rows(worker, statement)
        rows(worker, look_that_says_so)
        assert rows(worker, roll_back) == [("it fails",)]
        # Neither a rollout that waits for a person, nor a test.
        begin(owner)
        rows(worker, look_that_says_so)
        assert rows(worker, roll_back) == [(None,)]
        owner("rollout", "abort", TEMPLATE)
        add_experiment(engine, "wording", arms={"control": 1, "variant_a": 2})
        rows(worker, look_that_says_so)
        assert rows(worker, roll_back) == [(None,)]
    finally:
        worker.dispose()


@pytest.mark.parametrize(
    "right", ["EXECUTE ON FUNCTION roll_back_prompt_rollout", "SELECT ON prompt_feedback"]
)
def test_evaluator_that_lacks_a_right_does_not_start(engine: Engine, database: str, right: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"REVOKE {right} FROM prompt_experiment_worker")
    worker = connect(f"{database}?options=-c%20role%3Dprompt_experiment_worker", application_name="test")
    with pytest.raises(DeploymentError, match="insufficient privilege"):
        look_each_minute(Session(worker), threading.Event())
    worker.dispose()


def test_service_is_never_without_an_answer_while_its_canary_is_rolled_back(
    owner: Desk, engine: Engine, database: str
) -> None:
    prompts = PromptTemplateService(registry=database, last_good="none")
    assert prompts.start(wait=30), prompts.health()
    stop = threading.Event()
    served: list[set[tuple[int, str]]] = []

    def serve_on() -> None:
        seen = set()
        while not stop.is_set():
            prompt = prompts.get(TEMPLATE, unit=f"user-{len(seen)}")
            seen.add((prompt.version, prompt.reason))
        served.append(seen)

    with ThreadPoolExecutor(2) as readers:
        for _ in range(2):
            readers.submit(serve_on)
        try:
            begin(owner, auto=True)
            experiment = get_experiment(engine, CANARY)
            unit = next(f"user-{n}" for n in range(99) if arm_of(experiment, f"user-{n}") == "canary")
            soon(lambda: prompts.get(TEMPLATE, unit=unit).version == 2)
            serve(engine, failing=0.4)
            # Services read it while it is taken back.
            rows(engine, "UPDATE prompt_names SET rules = '[]' WHERE name = :name RETURNING 1", name=TEMPLATE)
            _, rolled_back = look_and_guard(Session(engine), CANARY)
            assert rolled_back
            soon(lambda: prompts.get(TEMPLATE, unit=unit).reason == "production")
            assert prompts.get(TEMPLATE, unit=unit).version == 1
        finally:
            stop.set()
    prompts.close()
    assert len(served) == 2
    assert set().union(*served) <= {(1, "production"), (1, "rollout"), (2, "rollout")}


def test_experiment_that_cannot_be_read_does_not_keep_the_others(
    owner: Desk, engine: Engine, capsys: pytest.CaptureFixture[str], watch: Watching
) -> None:
    owner.query(
        "INSERT INTO prompt_templates (name, version, template_text) VALUES ('odd', 1, '1'), ('odd', 2, '2')"
    )
    owner.query(
        "INSERT INTO ab_test_experiments (name, template_name, status, traffic_allocation, primary_metric, arms, "
        "protected_metrics, actual_start_date) "
        "SELECT 'odd', 'odd', 'active', '{}', 'success_rate', "
        "jsonb_object_agg(CASE version WHEN 1 THEN 'control' ELSE 'b' END, id), "
        "'[{}]', now() FROM prompt_templates WHERE name = 'odd'"
    )
    begin(owner, auto=True)
    serve(engine, failing=0.9)
    watch(alarms=2)
    assert rows(engine, STATE) == [("completed", "harmful")]
    assert main(["experiments", "look"]) == 65
    assert "the experiment odd cannot be read" in capsys.readouterr().err
