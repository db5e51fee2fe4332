"""The demonstration's experiments end as they were planted: of the services' events, written as a worker does."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Verdict
from prompt_worker.event.execution import ExecutionEvent, encode
from prompt_worker.executions.writer import ExecutionWriter
from prompt_worker.local.demo.events import Plan, messages
from prompt_worker.local.demo.experiments import DAYS, PLANTED, begin, conclude
from prompt_worker.local.demo.services import Services

pytestmark = pytest.mark.embedded_only


def test_demo_ends_with_both_verdicts_as_planted(engine: Engine, database: str) -> None:
    begun = begin(engine)
    began = datetime.now(UTC)
    services = Services.following(database)
    assert services.start()
    events = [each for each in messages(Plan(5000), services) if isinstance(each, ExecutionEvent)]
    services.close()
    tested = {each.template_name for each in PLANTED}
    assert {event.ab_test_group for event in events if event.template_name in tested} == {
        "control",
        "variant_a",
    }
    assert min(event.executed_at for event in events) >= began - timedelta(days=DAYS)
    written = ExecutionWriter(engine, threading.Event())([Message(encode(event), {}, "") for event in events])
    assert set(written) == {Verdict.WRITTEN, Verdict.DUPLICATE}
    concluded = conclude(engine, begun)
    assert [each.look.verdict.name for each in concluded] == ["winner", "no_difference"]
    assert all(each.is_as_planted and each.has_enough for each in concluded)
    assert [(each.executions > 800, each.wrong) for each in concluded] == [(True, 0)] * 2


def test_demo_begins_again_on_a_kept_database(engine: Engine) -> None:
    first, second = begin(engine), begin(engine)
    assert [each.name for each in first] == ["fewer questions", "easy pace"]
    assert [each.name for each in second] == ["fewer questions 2", "easy pace 2"]
    concluded = conclude(engine, second)
    assert [each.look.verdict.name for each in concluded] == ["collecting"] * 2
    assert all(each.is_as_planted and not each.has_enough for each in concluded)
