"""`prompts explain` where an experiment was on the prompt: phase, bucket and arm of a unit, now and at a moment."""

from __future__ import annotations

import pytest

from prompt_worker.experiments.changing import pause, resume, reweigh, stop
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.assignment import bucket_of
from tests.support.authoring import Desk
from tests.support.experimenting import TEMPLATE, add_experiment, add_versions, arm_of

WEIGHTS = {"control": 40, "variant_a": 40}


def test_explain_says_what_a_unit_was_served_at_each_moment(desk: Desk) -> None:
    engine = connect(desk.database, application_name="test")
    session = Session(engine)
    moments = {}

    def now(what: str) -> None:
        ((at,),) = desk.query("SELECT clock_timestamp()")
        moments[what] = at.isoformat()

    add_versions(engine)
    now("before")
    now("start")
    first = add_experiment(
        engine, weights=WEIGHTS, environment="production", actual_start_date=moments["start"]
    )
    now("running")
    pause(session, "wording", why="a doubt")
    now("paused")
    resume(session, "wording", why="none left")
    now("resumed")
    second = reweigh(session, "wording", {"control": 50, "variant_a": 30}, why="another way", by="test")
    now("phase 2")
    stop(session, "wording", why="enough")
    now("stopped")
    engine.dispose()
    units = [f"u{number}" for number in range(200)]
    # In the variant first, and in the control then.
    moved = next(u for u in units if arm_of(first, u) == "variant_a" and arm_of(second, u) == "control")
    outside = next(u for u in units if arm_of(first, u) is None)

    def explained(what: str, *options: str) -> str:
        return desk("explain", TEMPLATE, "--at", moments[what], *options)

    first_bucket, second_bucket = (bucket_of(each.phases[-1].seed, moved) for each in (first, second))
    for what in ("running", "resumed"):
        found = explained(what, "--unit", moved)
        assert "version 2, chosen by experiment" in found
        assert (
            f"experiment wording, phase 1, by user in production: {moved} is in bucket {first_bucket}, arm variant_a"
        ) in found
    found = explained("phase 2", "--unit", moved)
    assert "version 1, chosen by experiment" in found
    assert f"phase 2, by user in production: {moved} is in bucket {second_bucket}, arm control" in found
    for what in ("before", "paused", "stopped"):
        assert "version 1, chosen by production" in explained(what, "--unit", moved)
        assert "experiment wording" not in explained(what, "--unit", moved)
    found = explained("running", "--unit", outside)
    assert "version 1, chosen by production" in found
    assert "outside of its arms" in found
    assert "no unit, so in none of its arms" in explained("running")
    assert "chosen by production" in explained("running", "--unit", moved, "--environment", "staging")
    assert "chosen by pinned" in explained("running", "--unit", moved, "--version", "1")
    assert "chosen by production" in desk("explain", TEMPLATE, "--unit", moved)
    [odd] = desk.objects(
        "explain", TEMPLATE, "--at", moments["running"], "--unit", "\udcff", "--environment", "\udcff"
    )
    assert odd["enrolled"]["unit"] == "\ufffd"


def test_explain_to_a_viewer_says_what_he_may_not_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = connect(desk.database, application_name="test")
    add_versions(engine)
    add_experiment(engine, environment=None)
    ((at,),) = desk.query("SELECT clock_timestamp()")
    for role in ("prompt_viewer", "prompt_editor", "prompt_approver"):
        monkeypatch.setenv("DATABASE_URL", desk.as_role(role))
        assert "chosen by experiment" in desk("explain", TEMPLATE, "--unit", "u1")
        assert "was paused then" not in desk("explain", TEMPLATE, "--unit", "u1", "--at", at.isoformat())
    pause(Session(engine), "wording", why="a doubt")
    engine.dispose()
    found = desk("explain", TEMPLATE, "--unit", "u1", "--at", at.isoformat())
    assert "chosen by experiment" in found
    assert "whether it was paused then, only a login with the role prompt_text_reader may read" in found
