"""A guarded rollout, from its canary to production or back, with the evaluator that judges it."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest
from counting import until_one_waits
from queries import rows, scalar
from rolling_out import CANARY, begin, history, look, serve, with_versions
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from prompt_worker.commands.cli import main
from prompt_worker.experiments.looking import look_at
from prompt_worker.experiments.rollouts.advancing import check, finish, step
from prompt_worker.experiments.rollouts.reading import find_rollout
from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.acting import Actor
from prompt_worker.prompts.authoring.refusals import ReleaseError
from prompt_worker.prompts.authoring.releases.gate.examining import examine
from tests.support.authoring import Desk
from tests.support.experimenting import TEMPLATE, add_experiment, get_experiment

pytestmark = pytest.mark.embedded_only


@pytest.fixture
def owner(desk: Desk) -> Desk:
    return with_versions(desk)


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
    owner.query("UPDATE prompt_templates SET is_active = true WHERE name = %s AND version = 1", TEMPLATE)
    begin(owner)
    assert owner.objects("rollout", "show", TEMPLATE)[0]["experiment"] == "lesson@2 #2"
    assert "is whole" in owner("history", TEMPLATE)


def test_step_is_refused_where_something_changed_since_it_was_decided(
    owner: Desk, engine: Engine, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(owner)
    serve(engine, failing=0)
    look(database, capsys)
    session, actor = Session(engine), Actor("ann")
    decided = find_rollout(session, TEMPLATE)
    assert check(decided, actor) == actor
    # The evaluator ended a while ago.
    rows(engine, "UPDATE ab_test_experiments SET looked_at = looked_at - interval '1 hour' RETURNING 1")
    assert "unguarded" in owner("rollout", "show", TEMPLATE)
    with pytest.raises(ReleaseError, match="nobody has looked at this step for 1:00:0"):
        step(session, actor, decided)
    # Another one finds harm while the version is tried for the last step.
    serve(engine, failing=0.9, units=800)
    look(database, capsys, code=1)
    with pytest.raises(ReleaseError, match="it is harmful"):
        finish(session, actor, decided, examine(session, TEMPLATE, 2, inputs=0))
    assert owner.production(TEMPLATE) == 1
    step(session, actor, decided, force=True)
    with pytest.raises(ReleaseError, match="was advanced by somebody else"):
        step(session, actor, decided, force=True)


def test_harm_that_is_found_while_a_step_waits_stops_it(
    owner: Desk, engine: Engine, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(owner, auto=True)
    serve(engine, failing=0)
    look(database, capsys)
    decided = find_rollout(Session(engine), TEMPLATE)
    serve(engine, failing=0.9, units=800)
    with ThreadPoolExecutor(1) as pool, engine.begin() as other:
        other.execute(text("SELECT FROM prompt_registry FOR NO KEY UPDATE"))
        stepping = pool.submit(step, Session(engine), Actor("ann"), decided)
        until_one_waits(engine)
        # The evaluator has found harm, and waits for its turn to take the canary back.
        assert look_at(Session(engine), CANARY).is_turned
        other.commit()
        with pytest.raises(ReleaseError, match="it is harmful: "):
            stepping.result()
    assert "rolled back" in look(database, capsys, code=1)
    assert scalar(engine, "SELECT max(phase) FROM ab_test_phases") == 1


@pytest.mark.parametrize(
    ("steps", "ranges", "why"),
    [
        ("[10]", [[0, 10_000, "canary"]], "do not give the canary 10 % of the units"),
        ("[10]", [[0, 1000, "canary"]], "and the control the others"),
        ("[10]", [[0, 20_000, "canary"]], "ab_test_phases_ranges_check"),
        ("[10]", [[0, 1000, "canary"], [999, 10_000, "control"]], "ab_test_phases_ranges_check"),
        ("[10]", [["a", 1]], "ab_test_phases_ranges_check"),
        ("[10]", [[0, 1000.0, "canary"], [1000, 10_000, "control"]], "ab_test_phases_ranges_check"),
        ('[10, "x"]', [[0, 1000, "canary"], [1000, 10_000, "control"]], "are percentages"),
        ("[]", [], "are percentages"),
    ],
)
def test_what_is_served_is_what_the_record_says(owner: Desk, steps: str, ranges: object, why: str) -> None:
    with pytest.raises(psycopg2.Error, match=why):
        owner.query(
            "SELECT start_prompt_rollout(id, content_sha256, %s, %s, 'user', true, false) FROM prompt_templates "
            "WHERE name = %s AND version = 2",
            steps,
            json.dumps(ranges),
            TEMPLATE,
        )


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
    desk.query(
        "INSERT INTO prompt_templates (name, version, template_text, is_active) VALUES "
        "('fragments/tone', 1, 'Be kind.', true), ('fragments/tone', 2, 'Be brief.', false), "
        "('a', 1, '{%% include \"fragments/tone\" %%}', true)"
    )
    said = desk("activate", "fragments/tone", "2", "--canary", "10", "--inputs", "0")
    assert "it is included by a: these have version 1 until the last step" in said


def test_nothing_else_is_activated_during_a_rollout(owner: Desk) -> None:
    owner.query("UPDATE prompt_templates SET is_active = true WHERE name = %s AND version = 3", TEMPLATE)
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
    assert 'experiments resume "lesson@2"' in owner("rollout", "advance", TEMPLATE, code=1)
