"""Experiments from the database to services and back: the document, the revision, the events, and the audit of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg2
import pytest
from google.cloud.pubsub_v1 import SubscriberClient
from queries import rows, scalar
from sqlalchemy import Engine

from prompt_schema.migrate import MIGRATIONS, migrate, read
from prompt_worker import PromptTemplateService, Publisher
from prompt_worker.experiments.changing import pause, resume, reweigh, stop
from prompt_worker.experiments.looking import look_at
from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.registry.document import Document
from prompt_worker.prompts.registry.experiment import Experiment
from prompt_worker.prompts.registry.exporting import read_registry
from tests.support.experimenting import TEMPLATE, add_experiment, add_versions, get_experiment, template_of
from tests.support.pipeline import Pipeline
from tests.support.registry import soon

AUDIT = "SELECT phase, executions, wrong FROM v_ab_test_audit WHERE experiment_id = :id ORDER BY phase"


def document(database: str) -> Document:
    return read_registry(database)


def published(database: str) -> list[Experiment]:
    return [msgspec.json.decode(part, type=Experiment) for part in document(database).experiments]


@contextmanager
def service(database: str, **arguments: Any) -> Iterator[PromptTemplateService]:
    prompts = PromptTemplateService(registry=database, last_good="none", **arguments)
    assert prompts.start(wait=30), prompts.health()
    yield prompts
    prompts.close()


# --- the document ---


def test_document_has_the_experiment_that_runs_in_its_present_phase(engine: Engine, database: str) -> None:
    add_versions(engine)
    assert document(database).experiments == []
    stored = add_experiment(engine, environment="production")
    [found] = published(database)
    assert (found.name, found.experiment_id, found.template_name) == ("wording", stored.id, TEMPLATE)
    assert (found.kind, found.unit_kind, found.environment, found.phase) == ("test", "user", "production", 1)
    assert (found.seed, found.ranges, found.arms) == (
        stored.phases[-1].seed,
        stored.phases[-1].ranges,
        stored.arms,
    )
    weights = {"control": 60, "variant_a": 40}
    stored = reweigh(Session(engine), "wording", weights, why="more of it", by="test")
    [found] = published(database)
    assert (found.phase, found.seed, found.ranges) == (2, stored.phases[-1].seed, stored.phases[-1].ranges)


def test_login_of_a_service_reads_experiments(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL ROLE prompt_reader")
        connection.exec_driver_sql("SELECT * FROM ab_test_phases")


def test_versions_of_arms_are_in_the_document_also_after_the_end(engine: Engine, database: str) -> None:
    """For who holds a ref of one, however many versions come after it."""
    add_versions(engine, 30)
    add_experiment(engine, arms={"control": 1, "variant_a": 2, "variant_b": 3})
    for _ in ("running", "stopped"):
        numbers = [each.version for each in document(database).versions if each.name == TEMPLATE]
        assert numbers == [1, 2, 3, *range(11, 31)]
        if not stopped(engine):
            stop(Session(engine), "wording", why="enough")
    assert document(database).experiments == []


def stopped(engine: Engine) -> bool:
    return get_experiment(engine).status == "completed"


def test_every_change_of_who_is_assigned_moves_the_revision_and_notifies(
    engine: Engine, database: str
) -> None:
    add_versions(engine)
    with closing(psycopg2.connect(database)) as listener:
        listener.autocommit = True
        listener.cursor().execute("LISTEN prompt_registry")
        session = Session(engine)
        seen = document(database)
        expected = []
        for change in (
            lambda: add_experiment(engine),
            lambda: pause(session, "wording", why="a doubt"),
            lambda: resume(session, "wording", why="none left"),
            lambda: reweigh(session, "wording", {"control": 30, "variant_a": 70}, why="more", by="test"),
            lambda: rows(
                engine, "UPDATE ab_test_phases SET ended_at = now() WHERE ended_at IS NULL RETURNING 1"
            ),
            lambda: stop(session, "wording", why="enough"),
        ):
            change()
            found = document(database)
            assert found.revision > seen.revision
            assert found.experiments != seen.experiments or found.experiments == []
            seen = found
            expected.append(f"{found.epoch}:{found.revision}")
        listener.poll()
        assert [note.payload for note in listener.notifies if note.payload in expected] == expected


def test_what_is_only_computed_moves_no_revision(engine: Engine, database: str) -> None:
    add_versions(engine)
    add_experiment(engine)
    before = document(database)
    assert look_at(Session(engine), "wording").is_new
    rows(engine, "UPDATE ab_test_experiments SET total_executions = 7, updated_at = now() RETURNING 1")
    assert document(database).position == before.position
    assert document(database).sha256() == before.sha256()


def test_two_versions_that_are_active_in_groups_are_one_production(engine: Engine, database: str) -> None:
    """As a database of before has them: that of the control serves who is in no arm."""
    add_versions(engine, 3)
    rows(
        engine,
        "UPDATE prompt_templates SET is_active = version > 1, "
        "ab_test_group = (ARRAY[NULL, 'variant_a', 'control'])[version] WHERE name = :name RETURNING 1",
        name=TEMPLATE,
    )
    active = [
        each.version for each in document(database).versions if each.is_active and each.name == TEMPLATE
    ]
    assert active == [3]


@pytest.mark.embedded_only
def test_experiment_of_before_is_served_by_the_groups_of_its_templates(
    empty_engine: Engine, empty_database: str, tmp_path: Path
) -> None:
    for migration in read():
        if migration.file < "0031":
            shutil.copy(MIGRATIONS / migration.file, tmp_path)
    migrate(empty_engine, folder=tmp_path)
    add_versions(empty_engine)
    rows(
        empty_engine,
        "UPDATE prompt_templates SET is_active = true, ab_test_group = (ARRAY['control', 'variant_a'])[version] "
        "WHERE name = :name RETURNING 1",
        name=TEMPLATE,
    )
    rows(
        empty_engine,
        "INSERT INTO ab_test_experiments (name, template_name, status, control_template_id, variant_template_ids, "
        "traffic_allocation, primary_metric, actual_start_date) "
        "SELECT 'old', :name, 'active', min(id::text) FILTER (WHERE version = 1)::uuid, "
        "array_agg(id) FILTER (WHERE version = 2), :weights, 'success_rate', now() "
        "FROM prompt_templates WHERE name = :name RETURNING 1",
        name=TEMPLATE,
        weights=json.dumps({"control": 50, "variant_a": 50}),
    )
    migrate(empty_engine)
    with service(empty_database) as prompts:
        assert prompts.health().quarantined == {}
        groups = {prompts.get(TEMPLATE, unit=f"u{number}").group for number in range(50)}
        assert groups == {"control", "variant_a"}
        # Who is in no arm: the version of the control, and no group.
        prompt = prompts.get(TEMPLATE)
        assert (prompt.version, prompt.group, prompt.reason) == (1, None, "production")


def test_experiment_that_was_started_without_a_phase_is_named_and_production_served(
    engine: Engine, database: str
) -> None:
    add_versions(engine)
    rows(
        engine,
        "INSERT INTO ab_test_experiments (name, template_name, status, arms, traffic_allocation, primary_metric) "
        "SELECT 'by hand', :name, 'active', jsonb_object_agg("
        "(ARRAY['control', 'variant_a'])[version], id), '{}', 'success_rate' "
        "FROM prompt_templates WHERE name = :name RETURNING 1",
        name=TEMPLATE,
    )
    with service(database) as prompts:
        assert prompts.get(TEMPLATE, unit="u1").reason == "production"
        assert "phase" in prompts.health().quarantined[f"{TEMPLATE} experiment by hand"]


# --- the events ---


@pytest.mark.embedded_only
def test_served_is_assigned_through_a_killed_worker_and_a_forged_arm_is_counted(
    pipeline: Pipeline, engine: Engine
) -> None:
    """Two services, two phases, units of every kind; then one event that claims an arm it was not in."""
    add_versions(engine)
    experiment = add_experiment(engine, weights={"control": 40, "variant_a": 40})
    before = datetime.now(UTC) - timedelta(seconds=1)
    with (
        Publisher(pipeline.topology.project, source="test") as publisher,
        service(pipeline.database, publisher=publisher) as one,
        service(pipeline.database, publisher=publisher) as other,
    ):
        execute(one, other)
        reweigh(Session(engine), "wording", {"control": 45, "variant_a": 50}, why="more", by="test")
        soon(lambda: {phase_of(one), phase_of(other)} == {2})
        execute(one, other)
        assigned = one.get(TEMPLATE, unit="user-1").group
        with one.run(TEMPLATE, unit="user-1") as run:
            run.event.ab_test_group = "control" if assigned == "variant_a" else "variant_a"
    with pipeline.worker() as worker:
        pipeline.wait_for_rows(1)
        worker.kill()
    # All of it comes once more, also what the killed one had written.
    SubscriberClient().seek(request={"subscription": pipeline.writer, "time": before})
    with pipeline.worker():
        pipeline.wait_for_rows(2 * CALLS + 1)
    assert rows(engine, AUDIT, id=experiment.id) == [(1, CALLS - 2, 0), (2, CALLS - 1, 1)]
    groups = dict(
        rows(
            engine,
            "SELECT ab_test_group, count(*) FROM prompt_executions WHERE experiment_id = :id GROUP BY 1",
            id=experiment.id,
        )
    )
    assert set(groups) == {"control", "variant_a", None}
    # Whoever has no unit is enrolled in the experiment, and in no arm.
    assert scalar(
        engine,
        "SELECT count(*) FROM prompt_executions WHERE assignment_unit IS NULL AND ab_test_group IS NULL "
        "AND experiment_id = :id AND experiment_phase IS NOT NULL AND selection = 'production'",
        id=experiment.id,
    ) == 2 * len(NO_UNITS)
    # What was served of an arm is that arm's version.
    assert rows(
        engine,
        "SELECT DISTINCT template_id FROM prompt_executions WHERE ab_test_group = 'variant_a' "
        "AND selection = 'experiment' AND assignment_unit <> 'user-1'",
    ) == [(template_of(experiment, "variant_a"),)]


UNITS = [
    *(f"user-{number}" for number in range(300)), "u" * 250,
    "é" * 300, "smile \N{GRINNING FACE}" * 20, "\ud83d\ude00", "lone \udc00", "nul \0", "\ud800" * 90, 17, " ",
]  # fmt: skip
NO_UNITS: list[Any] = [None, ""]
CALLS = len(UNITS) + len(NO_UNITS)


def phase_of(prompts: PromptTemplateService) -> int | None:
    enrolment = prompts.get(TEMPLATE).enrolment
    return enrolment.phase if enrolment is not None else None


def execute(*services: PromptTemplateService) -> None:
    for number, unit in enumerate([*UNITS, *NO_UNITS]):
        with services[number % len(services)].run(TEMPLATE, unit=unit, user_id=None):
            pass
