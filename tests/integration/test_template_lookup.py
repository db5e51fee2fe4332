"""Which template an execution is counted for: renamed, remade, known by a former name, or not the one that it names."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from uuid import UUID

import pytest

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Outcome, Rejected, Verdict
from prompt_worker.executions import templates
from prompt_worker.executions.writer import ExecutionWriter
from prompt_worker.platform.postgres.engine import connect
from tests.support.events import bodies, body, id_of
from tests.support.pipeline import connected

pytestmark = pytest.mark.embedded_only


@pytest.fixture
def writer(database: str) -> Iterator[ExecutionWriter]:
    engine = connect(database, application_name="tests")
    yield ExecutionWriter(engine, threading.Event())
    engine.dispose()


def write(writer: ExecutionWriter, *published: bytes) -> list[Outcome]:
    return writer([Message(one, {}, f"ack-{n}") for n, one in enumerate(published)])


def make(database: str, name: str, version: int = 1) -> UUID:
    with connected(database) as cursor:
        cursor.execute(
            "INSERT INTO prompt_templates (name, version, template_text) VALUES (%s, %s, 'x') RETURNING id",
            (name, version),
        )
        return UUID(str(cursor.fetchone()[0]))


def run(database: str, statement: str, *parameters: object) -> None:
    with connected(database) as cursor:
        cursor.execute(statement, [str(one) if isinstance(one, UUID) else one for one in parameters])


def template_of(database: str, published: bytes) -> UUID:
    with connected(database) as cursor:
        cursor.execute("SELECT template_id FROM prompt_executions WHERE id = %s", (str(id_of(published)),))
        return UUID(str(cursor.fetchone()[0]))


def test_reused_name_counts_for_its_new_template(
    writer: ExecutionWriter, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make(database, "foo")
    before, after = body(template_name="foo"), body(template_name="foo")
    assert write(writer, before) == [Verdict.WRITTEN]
    # As in a database that was taken over: names may change.
    run(database, "UPDATE prompt_registry SET \"freeze\" = 'record'")
    run(database, "UPDATE prompt_templates SET name = 'foo_old' WHERE id = %s", old)
    new = make(database, "foo")
    monkeypatch.setattr(templates, "KEPT_SECONDS", 0.0, raising=False)
    assert write(writer, after) == [Verdict.WRITTEN]
    assert (template_of(database, before), template_of(database, after)) == (old, new)


def test_templates_are_remembered_for_seconds_only() -> None:
    now = [0.0]
    known = templates.Templates(lambda: now[0])
    known._known[None, "foo", 1] = UUID(int=1)
    now[0] = templates.KEPT_SECONDS - 0.1
    known.expire()
    assert known._known
    now[0] += 0.1
    known.expire()
    assert not known._known
    assert templates.KEPT_SECONDS <= 10


def test_remade_template_gets_its_events(writer: ExecutionWriter, database: str) -> None:
    make(database, "foo")
    assert write(writer, body(template_name="foo")) == [Verdict.WRITTEN]
    # As in a database that was taken over: a number may come back.
    run(database, "UPDATE prompt_registry SET \"freeze\" = 'record'")
    run(database, "DELETE FROM prompt_executions; DELETE FROM prompt_templates WHERE name = 'foo'")
    new = make(database, "foo")
    published = [*bodies(10), body(template_name="foo"), body(template_name="foo"), *bodies(10, seed=1)]
    assert write(writer, *published) == [Verdict.WRITTEN] * 22
    assert template_of(database, published[10]) == template_of(database, published[11]) == new


@pytest.mark.parametrize(("name", "version"), [("bar", 1), ("foo", 2)])
def test_id_of_another_template_is_rejected(
    writer: ExecutionWriter, database: str, name: str, version: int
) -> None:
    template_id = make(database, "foo")
    make(database, name, version)
    fine = body(template_name="foo", template_id=str(template_id))
    wrong = body(template_name=name, template_version=version, template_id=str(template_id))
    for _ in range(2):
        outcomes = write(writer, wrong, fine)
        assert outcomes[0] == Rejected(
            "template_mismatch", f"the template with id {template_id} never was {name} version {version}"
        )
        assert outcomes[1] in (Verdict.WRITTEN, Verdict.DUPLICATE)


def test_former_name_and_version_still_resolve(writer: ExecutionWriter, database: str) -> None:
    template_id = make(database, "now", 5)
    run(
        database,
        "INSERT INTO prompt_template_names (template_id, name, version) VALUES (%s, 'then', 2)",
        template_id,
    )
    by_id = body(template_name="then", template_version=2, template_id=str(template_id))
    by_name = body(template_name="then", template_version=2)
    assert write(writer, by_id, by_name) == [Verdict.WRITTEN] * 2
    assert template_of(database, by_id) == template_of(database, by_name) == template_id


def test_former_name_leads_to_who_has_it_now(writer: ExecutionWriter, database: str) -> None:
    former, later, present = make(database, "a"), make(database, "b"), make(database, "ours")
    for template_id, name, until in (
        (former, "ours", "2026-02-01"),
        (former, "gone", "2026-01-01"),
        (later, "gone", "2026-02-01"),
    ):
        run(
            database,
            "INSERT INTO prompt_template_names (template_id, name, version, until) VALUES (%s, %s, 1, %s)",
            template_id,
            name,
            until,
        )
    ours, gone = body(template_name="ours"), body(template_name="gone")
    assert write(writer, ours, gone) == [Verdict.WRITTEN] * 2
    assert (template_of(database, ours), template_of(database, gone)) == (present, later)


def test_corrected_copy_takes_the_place_of_a_bad_event(writer: ExecutionWriter) -> None:
    corrected = body()
    event_id = str(id_of(corrected))
    bad = body(event_id=event_id, template_version=99)
    outcomes = write(writer, *bodies(3), bad, bad, corrected, corrected, *bodies(3, seed=1))
    assert [type(one) for one in outcomes[3:5]] == [Rejected, Rejected]
    assert outcomes[5:7] == [Verdict.WRITTEN, Verdict.DUPLICATE]
    assert outcomes[:3] + outcomes[7:] == [Verdict.WRITTEN] * 6


def test_copy_of_what_the_database_refuses_takes_its_place(writer: ExecutionWriter) -> None:
    corrected = body()
    event_id = str(id_of(corrected))
    refused = body(event_id=event_id)[:-1] + b', "input_variables": {"a": 1e200000}}'
    worse = body(event_id=event_id, template_name="nobody-knows")
    outcomes = write(writer, refused, worse, corrected)
    assert [getattr(one, "error_class", one) for one in outcomes] == [
        "refused_by_database",
        "unknown_template",
        Verdict.WRITTEN,
    ]


def test_good_event_is_not_replaced_by_a_bad_copy(writer: ExecutionWriter) -> None:
    good = body()
    bad = body(event_id=str(id_of(good)), template_version=99)
    assert write(writer, good, bad) == [Verdict.WRITTEN, Verdict.DUPLICATE]
