"""A guarded rollout, from its canary to production or back, with the evaluator that judges it."""

from __future__ import annotations

import json
import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from time import monotonic, sleep
from typing import Any

import psycopg2
import pytest
from queries import rows, scalar
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
from tests.support.experimenting import TEMPLATE, add_experiment, arm_of, execution, get_experiment, insert
from tests.support.registry import soon
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.embedded_only

CANARY = f"{TEMPLATE}@2"
STATE = "SELECT status, verdict FROM ab_test_experiments WHERE name = 'lesson@2'"


@pytest.fixture
def owner(desk: Desk) -> Desk:
    """With version 1 of the prompt in production, and versions 2 and 3."""
    desk.query(
        "INSERT INTO prompt_templates (name, version, template_text, is_active) "
        "SELECT %s, n, 'text ' || n, n = 1 FROM generate_series(1, 3) n",
        TEMPLATE,
    )
    return desk


def begin(
    owner: Desk, *, version: int = 2, auto: bool = False, violations: bool = False, name: str = TEMPLATE
) -> None:
    """As `activate --canary 10` does it, without examining the version first."""
    owner.query(
        "SELECT start_prompt_rollout(id, content_sha256, '[10, 50, 100]', %s, 'user', %s, %s) "
        "FROM prompt_templates WHERE name = %s AND version = %s",
        json.dumps([[0, 1000, "canary"], [1000, 10000, "control"]]),
        auto,
        violations,
        name,
        version,
    )


def serve(engine: Engine, failing: float, others: float = 0.02, *, units: int = 400, **columns: str) -> None:
    """A call of each unit now: of those with the canary this part fails, and of the others that part."""
    experiment = get_experiment(engine, CANARY)
    now = scalar(engine, "SELECT clock_timestamp()").isoformat()
    seen = {"canary": 0, "control": 0}
    executed = []
    for unit in (f"user-{n}" for n in range(units)):
        arm = arm_of(experiment, unit) or ""
        seen[arm] += 1
        part = failing if arm == "canary" else others
        fails = int(seen[arm] * part) > int((seen[arm] - 1) * part)
        found = (columns or {"status": "failure"}) if fails else {}
        executed.append(execution(experiment, unit, executed_at=now, **found))
    insert(engine, executed)


def look(database: str, capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    """What `experiments look` prints as the evaluator's login."""
    login = f"{database}?options=-c%20role%3Dprompt_experiment_worker"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DATABASE_URL", login)
        assert main(["experiments", "look"]) == code
    return capsys.readouterr().out


def history(engine: Engine) -> list[tuple[str, int, str | None]]:
    """Of the prompt's rollouts: action, version, reason."""
    return [
        (action, version, reason)
        for action, version, reason in rows(
            engine,
            "SELECT action, version, reason FROM prompt_history WHERE kind = 'rollout' AND subject = :name ORDER BY id",
            name=TEMPLATE,
        )
    ]


def test_rollout_goes_from_the_canary_to_production(
    owner: Desk, engine: Engine, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    owner("activate", TEMPLATE, "2", "--canary", "10", "--reason", "shorter")
    assert owner.production(TEMPLATE) == 1
    first = get_experiment(engine, CANARY).phases[0]
    assert first.percent_of("canary") == 10
    assert "nobody has looked at this step" in owner("rollout", "advance", TEMPLATE, code=1)
    serve(engine, failing=0)
    assert "lesson@2: collecting: no harm is found: 0 of" in look(database, capsys)
    shown = owner("rollout", "show", TEMPLATE)
    assert "version 2 is served to 10 % of the users, version 1 to all others" in shown
    explained = owner("explain", TEMPLATE, "--unit", "user-3")
    assert "version 2 for 10 % of the users since" in explained
    assert re.search(r"0 of \d+ failed with it, \d of 3\d\d failed without", explained)
    assert "version 2 is served to 50 % of the users" in owner("rollout", "advance", TEMPLATE)
    second = get_experiment(engine, CANARY).phases[1]
    # Whoever had the canary has it still.
    assert second.seed == first.seed
    grown = {range(each.start, each.beyond) for each in second.ranges if each.arm == "canary"}
    assert all(
        any(each.start in larger and each.beyond - 1 in larger for larger in grown)
        for each in first.ranges
        if each.arm == "canary"
    )
    # Of another step, nobody has looked at this one.
    assert "nobody has looked" in owner("rollout", "advance", TEMPLATE, code=1)
    serve(engine, failing=0)
    look(database, capsys)
    assert "version 2 is in production now, was version 1" in owner(
        "rollout", "advance", TEMPLATE, "--reason", "good"
    )
    assert owner.production(TEMPLATE) == 2
    [(status, verdict, winner)] = rows(
        engine, "SELECT status, verdict, winner_variant FROM ab_test_experiments WHERE name = 'lesson@2'"
    )
    assert (status, verdict, winner) == ("completed", "stopped", "canary")
    assert scalar(engine, "SELECT count(*) FROM ab_test_phases WHERE ended_at IS NULL") == 0
    assert history(engine) == [
        ("rolling_out", 2, "shorter"),
        ("rolling_out", 2, None),
        ("rolled_out", 2, "good"),
    ]
    assert "the last one is over, version 2 is in production" in owner(
        "rollout", "advance", TEMPLATE, code=66
    )
    # The next one has a name of its own, and the same version again too.
    owner("rollback", TEMPLATE)
    begin(owner)
    assert owner.objects("rollout", "show", TEMPLATE)[0]["experiment"] == "lesson@2 #2"
    assert "is whole" in owner("history", TEMPLATE)


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


def test_options_that_do_not_fit_together_are_refused(owner: Desk) -> None:
    for arguments, code, why in (
        (("2", "--auto-rollback"), 64, "add --canary 10"),
        (("2", "--canary", "10", "--wait"), 64, "leave it out with --canary"),
        (
            ("2", "--canary", "10", "--steps", "20,100"),
            64,
            "the steps begin with 20 %, and --canary says 10 %",
        ),
        (("2", "--canary", "100"), 64, "activate it without --canary"),
        (("2", "--canary", "x"), 2, "expected a percentage"),
        (("7", "--canary", "10"), 66, "has no version 7"),
    ):
        assert why in owner("activate", TEMPLATE, *arguments, code=code)
    assert "lesson has no rollout" in owner("rollout", "show", TEMPLATE, code=66)
    assert "no prompt is named none" in owner("rollout", "show", "none", code=66)


def test_what_cannot_be_rolled_out_is_refused(owner: Desk, engine: Engine) -> None:
    def refused(why: str, version: int = 2, name: str = TEMPLATE) -> None:
        with pytest.raises(psycopg2.Error, match=why):
            begin(owner, version=version, name=name)

    refused('version 1 of "lesson" is in production already', version=1)
    owner.query("UPDATE prompt_names SET blocked_reason = 'an incident' WHERE name = %s", TEMPLATE)
    refused(r'"lesson" is blocked \(an incident\)')
    owner.query(
        "UPDATE prompt_names SET blocked_reason = NULL, approvals_needed = 1 WHERE name = %s", TEMPLATE
    )
    refused('version 2 of "lesson" needs 1 approvals')
    owner.query("INSERT INTO prompt_templates (name, template_text) VALUES ('new', '-')")
    refused('no version of "new" is in production', version=1, name="new")
    assert scalar(engine, "SELECT count(*) FROM ab_test_experiments") == 0
    glass = ("--break-glass", "--reason", "the provider is down")
    owner("activate", TEMPLATE, "2", "--canary", "10", *glass)
    assert scalar(engine, "SELECT after -> 'break_glass' FROM prompt_history WHERE kind = 'rollout'") is True
    owner.query("UPDATE prompt_names SET approvals_needed = NULL WHERE name = %s", TEMPLATE)
    refused('the rollout "lesson@2" is on "lesson" already', version=3)
    owner("rollout", "abort", TEMPLATE)
    assert "no rollout of lesson is running" in owner("rollout", "abort", TEMPLATE, code=66)
    add_experiment(engine, "wording", arms={"control": 1, "variant_a": 2})
    refused('experiment "wording" is on "lesson" already', version=3)


def test_prompts_that_include_a_canary_keep_what_is_in_production(desk: Desk) -> None:
    desk.release("fragments/tone", "Be kind.")
    desk.release("a", "{% include 'fragments/tone' %} one")
    desk.create("fragments/tone", "Be brief.")
    said = desk("activate", "fragments/tone", "2", "--canary", "10", "--inputs", "0")
    assert "it is included by a: these have version 1 until the last step" in said


def test_nothing_else_is_activated_during_a_rollout(owner: Desk) -> None:
    owner.query("UPDATE prompt_templates SET is_active = version = 3 WHERE name = %s", TEMPLATE)
    begin(owner)
    for command in (("activate", TEMPLATE, "2", "--inputs", "0"), ("rollback", TEMPLATE)):
        refused = owner(*command, code=1)
        assert "a rollout of lesson, version 2 for 10 % of the users, is active" in refused
        assert "'prompt-worker prompts rollout abort lesson' sends all back to version 3" in refused
    assert owner.production(TEMPLATE) == 3


def test_an_arm_needs_the_approvals_of_production(owner: Desk, engine: Engine) -> None:
    begin(owner)
    owner("policy", "--name", TEMPLATE, "--approvals", "1")
    forced = ("--force", "--reason", "nobody looks here")
    assert "needs 1 approvals" in owner("rollout", "advance", TEMPLATE, *forced, code=1)
    owner("rollout", "abort", TEMPLATE)
    with pytest.raises(DBAPIError, match="needs 1 approvals"):
        add_experiment(engine, "wording", arms={"control": 1, "variant_a": 2})


def test_canary_stays_as_it_was_examined(owner: Desk) -> None:
    owner("policy", "--freeze", "enforce")
    begin(owner)
    with pytest.raises(psycopg2.Error, match="is an arm of an experiment: its content stays as it is"):
        owner.query(
            "UPDATE prompt_templates SET template_text = 'x' WHERE name = %s AND version = 2", TEMPLATE
        )
    with pytest.raises(psycopg2.Error, match="is an arm of experiment"):
        owner.query("DELETE FROM prompt_templates WHERE name = %s AND version = 2", TEMPLATE)


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


def test_evaluator_that_may_not_roll_back_does_not_start(engine: Engine, database: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "REVOKE EXECUTE ON FUNCTION roll_back_prompt_rollout FROM prompt_experiment_worker"
        )
    worker = connect(f"{database}?options=-c%20role%3Dprompt_experiment_worker", application_name="test")
    with pytest.raises(DeploymentError, match="insufficient privilege"):
        look_each_minute(Session(worker), threading.Event())
    worker.dispose()


def test_approver_releases_and_viewer_only_looks(owner: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", owner.as_role("prompt_approver"))
    options = ("--auto-rollback", "--count-violations", "--unit", "session", "--steps", "5,50")
    assert "version 2 is served to 5 % of the sessions" in owner("activate", TEMPLATE, "2", *options)
    owner("rollout", "advance", TEMPLATE, "--force", "--reason", "it is small")
    approver = owner("rollout", "show", TEMPLATE)
    monkeypatch.setenv("DATABASE_URL", owner.as_role("prompt_viewer"))
    assert owner("rollout", "show", TEMPLATE) == approver
    assert "version 2 for 50 % of the sessions since" in owner("show", TEMPLATE)
    assert "prompt_approver" in owner("rollout", "abort", TEMPLATE, code=69)
    monkeypatch.setenv("DATABASE_URL", owner.as_role("prompt_approver"))
    owner("rollout", "abort", TEMPLATE)


def test_experiments_show_what_is_a_rollout(
    owner: Desk, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(owner, auto=True)
    serve(engine, failing=0)

    def experiments(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main(["experiments", *arguments]) == code
        printed = capsys.readouterr()
        return printed.out + printed.err

    experiments("look")
    assert "lesson@2\tlesson\tactive\tcollecting\tfailure_rate\trollout, 10 %\t" in experiments("list")
    shown = experiments("show", CANARY)
    assert "rollout of lesson: 10 % of the users since" in shown
    assert "steps 10, 50, 100 %, rolled back on harm" in shown
    assert "arm\tunits\tfailing units\n" in shown
    document = json.loads(experiments("show", CANARY, "--json"))
    assert document["experiment"]["kind"] == "rollout"
    failing = document["numbers"]["evidence"]["failing"]
    assert failing["control"] > failing["canary"] == 0
    assert "is a rollout: 'prompt-worker prompts rollout advance lesson'" in experiments(
        "accept", CANARY, "--reason", "r", code=65
    )
    # Paused, nobody is assigned, and it does not go on.
    experiments("pause", CANARY, "--reason", "an incident")
    assert "(paused: nobody gets it now)" in owner("rollout", "show", TEMPLATE)
    assert "experiments resume lesson@2" in owner("rollout", "advance", TEMPLATE, code=1)


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
