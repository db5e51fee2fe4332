"""What was served stays what it was: the content of a version that somebody could have seen does not change."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from counting import execution, insert, until_one_waits
from queries import change_in_place, rows, scalar
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from prompt_schema.verify import verify
from tests.support.logins import logins
from tests.support.versions import activate, create, history, revision, sqlstate

pytestmark = pytest.mark.usefixtures("warm_checks")

CHANGES = [
    "UPDATE prompt_templates SET template_text = 'x' WHERE id = :id",
    "UPDATE prompt_templates SET variables = '[\"q\"]' WHERE id = :id",
    "UPDATE prompt_templates SET model_config = '{\"temperature\": 1}' WHERE id = :id",
    "UPDATE prompt_templates SET output_schema = '{}' WHERE id = :id",
    'UPDATE prompt_templates SET messages = \'[{"role": "user", "content": "Hello"}]\' WHERE id = :id',
    "INSERT INTO prompt_translations (template_id, language, template_text) VALUES (:id, 'fr', 'Salut')",
    "UPDATE prompt_translations SET template_text = 'x' WHERE template_id = :id",
    "UPDATE prompt_translations SET language = 'pt' WHERE template_id = :id AND language = 'de'",
    "DELETE FROM prompt_translations WHERE template_id = :id",
]


def executed(engine: Engine, template: UUID) -> None:
    insert(engine, execution((template, "hints")))
    # Not by a counter, which somebody may have set or has still to fold.
    rows(engine, "UPDATE prompt_templates SET total_executions = 0")


def labelled(engine: Engine, template: UUID) -> None:
    rows(
        engine, "INSERT INTO prompt_labels (name, label, template_id) VALUES ('hints', 'a', :id)", id=template
    )


def approved(engine: Engine, template: UUID) -> None:
    with logins(engine, ann="prompt_approver") as (ann,):
        ann.rows(
            "INSERT INTO prompt_reviews (template_id, content_sha256, verdict) "
            "SELECT id, content_sha256, 'approved' FROM prompt_templates WHERE id = :id",
            id=template,
        )


def served(engine: Engine, template: UUID) -> None:
    activate(engine, template)
    rows(engine, "UPDATE prompt_templates SET is_active = false WHERE id = :id", id=template)


def no_longer_labelled(engine: Engine, template: UUID) -> None:
    labelled(engine, template)
    rows(engine, "DELETE FROM prompt_labels")


@pytest.fixture
def draft(engine: Engine) -> UUID:
    """A version with a translation."""
    template = create(engine)
    rows(
        engine,
        "INSERT INTO prompt_translations (template_id, language, template_text) VALUES (:id, 'de', 'Hallo')",
        id=template,
    )
    return template


@pytest.mark.parametrize("seen", [activate, labelled, approved, executed, served, no_longer_labelled])
def test_content_of_a_version_that_was_seen_is_frozen(
    engine: Engine, draft: UUID, seen: Callable[[Engine, UUID], None]
) -> None:
    seen(engine, draft)
    stored = "SELECT t, (SELECT array_agg(l) FROM prompt_translations l)::text FROM prompt_templates t WHERE id = :id"
    before = rows(engine, stored, id=draft), revision(engine), history(engine)
    for change in CHANGES:
        with pytest.raises(DBAPIError, match="its content stays as it is") as refused:
            rows(engine, change, id=draft)
        assert sqlstate(refused.value) == "PW001"
        assert "Make a new version." in str(refused.value)
    assert (rows(engine, stored, id=draft), revision(engine), history(engine)) == before
    # What is no content may change, and a statement that sets it to what it is changes nothing.
    rows(
        engine,
        "UPDATE prompt_templates SET description = 'x', category = 'c', template_text = template_text, "
        "variables = '[]' WHERE id = :id",
        id=draft,
    )


def test_draft_may_change_until_it_is_seen(engine: Engine, draft: UUID) -> None:
    assert scalar(engine, "SELECT prompt_frozen_because(:id)", id=draft) is None
    for change in CHANGES[:1] + CHANGES[5:]:
        rows(engine, change, id=draft)
    assert scalar(engine, "SELECT prompt_frozen_because(:id)", id=draft) is None


@pytest.mark.parametrize("change", ["name = 'other'", "version = 7", "name = 'other', is_active = true"])
def test_version_keeps_its_name_and_number(engine: Engine, change: str) -> None:
    template = create(engine)
    with pytest.raises(DBAPIError, match="keeps its name and number") as refused:
        rows(engine, f"UPDATE prompt_templates SET {change} WHERE id = :id", id=template)
    assert sqlstate(refused.value) == "PW001"


def test_rejected_version_may_be_corrected(engine: Engine, draft: UUID) -> None:
    review = (
        "INSERT INTO prompt_reviews (template_id, content_sha256, verdict) "
        "SELECT id, content_sha256, :verdict FROM prompt_templates WHERE id = :id"
    )
    with logins(engine, ann="prompt_approver", bob="prompt_approver") as (ann, bob):
        ann.rows(review, id=draft, verdict="approved")
        bob.rows(review, id=draft, verdict="rejected")
        assert scalar(engine, "SELECT prompt_frozen_because(:id)", id=draft) == "is approved"
        ann.rows(review, id=draft, verdict="rejected")
        rows(engine, CHANGES[0], id=draft)


def test_content_changes_in_place_until_an_owner_enforces(engine: Engine, draft: UUID) -> None:
    """As in a database that was taken over: each change is recorded and seen by services."""
    activate(engine, draft)
    change_in_place(engine)
    before = revision(engine)
    rows(engine, "UPDATE prompt_templates SET template_text = 'x' WHERE id = :id", id=draft)
    rows(engine, "UPDATE prompt_translations SET template_text = 'y' WHERE template_id = :id", id=draft)
    assert revision(engine) == before + 2
    assert history(engine)[-3:] == [
        ("edited", "template", 1), ("edited", "template", 1), ("edited", "translation", 1),
    ]  # fmt: skip
    assert rows(
        engine,
        "SELECT before ->> 'template_text', after ->> 'template_text' FROM prompt_history "
        "WHERE action = 'edited' ORDER BY id LIMIT 1 OFFSET 1",
    ) == [("Hello", "x")]
    rows(engine, "UPDATE prompt_registry SET \"freeze\" = 'enforce'")
    with pytest.raises(DBAPIError, match="is active"):
        rows(engine, "UPDATE prompt_templates SET template_text = 'z' WHERE id = :id", id=draft)
    assert history(engine, "registry") == [
        ("created", "registry", None), ("freeze", "registry", None), ("freeze", "registry", None),
    ]  # fmt: skip


def test_version_with_its_translations_is_deleted_at_once(engine: Engine, draft: UUID) -> None:
    rows(engine, "DELETE FROM prompt_templates WHERE id = :id", id=draft)
    assert history(engine)[-1] == ("deleted", "template", 1)
    assert rows(
        engine,
        "SELECT before #>> '{translations,de}', before ->> 'template_text' FROM prompt_history "
        "WHERE action = 'deleted'",
    ) == [("Hallo", "Hello")]


def test_change_waits_for_executions_that_are_being_written(engine: Engine) -> None:
    """They are of the content as it was, so it is frozen once they are there."""
    template = create(engine)
    with engine.connect() as writer, ThreadPoolExecutor(1) as pool:
        # A worker's batch, which does not lock the template for its counters.
        writer.execute(text("SET LOCAL prompt_worker.batch = on"))
        writer.execute(
            text(
                "INSERT INTO prompt_executions (template_id, template_name, template_version, input_variables, "
                "rendered_prompt, status) VALUES (:id, 'hints', 1, '{}', 'Hello', 'success')"
            ),
            {"id": template},
        )
        change = pool.submit(rows, engine, CHANGES[0], id=template)
        until_one_waits(engine)
        writer.commit()
        with pytest.raises(DBAPIError, match="was executed"):
            change.result()


def test_verify_warns_until_content_is_frozen(engine: Engine) -> None:
    def check() -> tuple[bool, bool, str]:
        (found,) = [
            one for one in verify(engine) if one.name == "content of versions that were served is frozen"
        ]
        return found.ok, found.warning, found.hint

    assert check() == (True, False, "")
    change_in_place(engine)
    ok, warning, hint = check()
    assert (ok, warning) == (True, True)
    rows(engine, hint.partition("run: ")[2])
    assert check() == (True, False, "")


def test_what_is_included_by_its_number_is_frozen_with_what_includes_it(engine: Engine, draft: UUID) -> None:
    """Through another draft, too: neither was ever served directly."""
    between = create(engine, "between", template_text="{% include 'hints@1' %}")
    page = create(engine, "page", template_text='{% include "between@1" %}')
    create(engine, "another", template_text="{% include 'hints@11' %}", is_active=True)
    rows(engine, CHANGES[0], id=draft)
    activate(engine, page)
    for included in (draft, between):
        with pytest.raises(DBAPIError, match="is included by what is or was served: its content stays"):
            rows(engine, CHANGES[2], id=included)
    with pytest.raises(DBAPIError, match="its content stays"):
        rows(engine, CHANGES[5], id=draft)
