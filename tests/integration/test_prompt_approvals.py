"""A version that needs approvals is active once others approved the very content that becomes active."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from queries import change_in_place, rows, scalar
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from tests.support.logins import Login, logins
from tests.support.versions import activate, create, history, sqlstate

pytestmark = pytest.mark.usefixtures("warm_checks")

REVIEW = """
    INSERT INTO prompt_reviews (template_id, content_sha256, verdict)
    SELECT id, content_sha256, :verdict FROM prompt_templates WHERE id = :id
"""
WRITE = (
    "INSERT INTO prompt_templates (name, version, category, template_text) VALUES ('hints', NULL, 'tutoring', :text) "
    "RETURNING id"
)
ACTIVATE = "UPDATE prompt_templates SET is_active = true WHERE id = :id"


@pytest.fixture
def people(engine: Engine) -> Iterator[list[Login]]:
    """Wanda writes, Ann and Bob approve."""
    both = "prompt_editor, prompt_approver"
    with logins(engine, wanda=both, ann=both, bob=both) as made:
        yield made


def needs(engine: Engine, approvals: int) -> None:
    rows(
        engine,
        "INSERT INTO prompt_policies (category, approvals_needed) VALUES ('tutoring', :n) "
        "ON CONFLICT (category) DO UPDATE SET approvals_needed = EXCLUDED.approvals_needed",
        n=approvals,
    )


def write(login: Login, text: str = "Hello") -> UUID:
    return UUID(str(login.rows(WRITE, text=text)[0][0]))


def approve(login: Login, template: UUID) -> None:
    login.rows(REVIEW, verdict="approved", id=template)


def refused(login: Login, template: UUID, **settings: str) -> str | None:
    with pytest.raises(DBAPIError) as caught:
        login.rows(ACTIVATE, settings=settings, id=template)
    return sqlstate(caught.value)


def test_version_is_active_with_as_many_approvals_as_needed(engine: Engine, people: list[Login]) -> None:
    wanda, ann, bob = people
    needs(engine, 2)
    template = write(wanda)
    assert refused(ann, template) == "PW002"
    approve(ann, template)
    approve(ann, template)
    assert refused(ann, template) == "PW002"
    assert scalar(engine, "SELECT prompt_release_of(:id)", id=template) == {
        "content_sha256": scalar(engine, "SELECT content_sha256 FROM prompt_templates WHERE id = :id", id=template),
        "approvals": 1, "approvals_needed": 2, "rollback": False,
    }  # fmt: skip
    approve(bob, template)
    wanda.rows(ACTIVATE, id=template)
    assert [each[0] for each in history(engine)] == [
        "created",
        "reviewed",
        "reviewed",
        "reviewed",
        "activated",
    ]


def test_author_does_not_approve(engine: Engine, people: list[Login]) -> None:
    wanda, ann, bob = people
    needs(engine, 1)
    template = write(wanda)
    with pytest.raises(DBAPIError, match="cannot approve it") as caught:
        approve(wanda, template)
    assert sqlstate(caught.value) == "PW002"
    # Nor whoever wrote a part of it, or had written it before it was written back.
    ann.rows("UPDATE prompt_templates SET template_text = 'x' WHERE id = :id", id=template)
    bob.rows("INSERT INTO prompt_translations (template_id, language, template_text) VALUES (:id, 'de', 'y')",
             id=template)  # fmt: skip
    for login in people:
        with pytest.raises(DBAPIError, match="cannot approve it"):
            approve(login, template)
    wanda.rows(REVIEW, verdict="rejected", id=template)


def test_approval_given_before_its_author_wrote_does_not_count(engine: Engine, people: list[Login]) -> None:
    wanda, ann, _ = people
    needs(engine, 1)
    change_in_place(engine)
    template = write(wanda)
    approve(ann, template)
    ann.rows("UPDATE prompt_templates SET template_text = 'x' WHERE id = :id", id=template)
    wanda.rows("UPDATE prompt_templates SET template_text = 'Hello' WHERE id = :id", id=template)
    assert refused(wanda, template) == "PW002"


def test_approval_is_of_the_content_that_was_reviewed(engine: Engine, people: list[Login]) -> None:
    wanda, ann, _ = people
    needs(engine, 1)
    change_in_place(engine)
    template = write(wanda)
    seen = scalar(engine, "SELECT content_sha256 FROM prompt_templates WHERE id = :id", id=template)
    approve(ann, template)
    wanda.rows("UPDATE prompt_templates SET template_text = 'x' WHERE id = :id", id=template)
    assert refused(wanda, template) == "PW002"
    stale = (
        "INSERT INTO prompt_reviews (template_id, content_sha256, verdict) VALUES (:id, :seen, 'approved')"
    )
    with pytest.raises(DBAPIError, match="is not what was reviewed") as caught:
        ann.rows(stale, id=template, seen=seen)
    assert sqlstate(caught.value) == "PW003"
    approve(ann, template)
    ann.rows(ACTIVATE, id=template)
    # What is active needs them, too, before it is something else.
    with pytest.raises(DBAPIError, match="needs 1 approvals"):
        wanda.rows("UPDATE prompt_templates SET template_text = 'y' WHERE id = :id", id=template)


def test_approval_is_of_the_fragments_as_they_were(engine: Engine, people: list[Login]) -> None:
    wanda, ann, bob = people
    tone = create(
        engine, "fragments/tone", template_text="Be kind. {% include 'fragments/rules@1' %}", is_active=True
    )
    create(engine, "fragments/rules", template_text="Rules.")
    needs(engine, 1)
    template = write(wanda, 'A {%- include "fragments/tone" -%} B {%include "never made"%}')
    approve(ann, template)
    ((includes,),) = rows(engine, "SELECT includes FROM prompt_reviews")
    assert set(includes) == {"fragments/tone@1", "fragments/rules@1", "never made"}
    assert includes["never made"] is None
    assert includes["fragments/tone@1"] == scalar(
        engine, "SELECT content_sha256 FROM prompt_templates WHERE id = :id", id=tone
    )
    # Another tone is active meanwhile.
    create(engine, "fragments/tone", template_text="Be brief.", is_active=True)
    assert refused(wanda, template) == "PW002"
    stale = (
        "INSERT INTO prompt_reviews (template_id, content_sha256, verdict, includes) "
        "SELECT id, content_sha256, 'approved', CAST(:seen AS jsonb) FROM prompt_templates WHERE id = :id"
    )
    with pytest.raises(DBAPIError, match="what it includes, is not what was reviewed"):
        bob.rows(stale, id=template, seen='{"fragments/tone@1": "x"}')
    bob.rows(stale, id=template, seen=str(scalar(
        engine, "SELECT prompt_includes(prompt_whole_text(id, template_text))::text FROM prompt_templates "
        "WHERE id = :id", id=template)))  # fmt: skip
    wanda.rows(ACTIVATE, id=template)


@pytest.mark.parametrize(
    "written",
    [
        '{% include "fragments\\x2ftone" %}',
        "{% include name %}",
        '{%\u00a0include "fragments/tone" %}',
        '{% include ["a", "b"] %}',
        '{% include "a" ignore missing %}',
    ],
)
def test_include_that_cannot_be_followed_is_never_approved(
    engine: Engine, people: list[Login], written: str
) -> None:
    wanda, ann, _ = people
    needs(engine, 1)
    template = write(wanda, written)
    approve(ann, template)
    assert refused(ann, template) == "PW002"


def test_includes_end_where_they_form_a_circle(engine: Engine) -> None:
    create(engine, "a", template_text='{% include "b" %}', is_active=True)
    create(
        engine, "b", template_text='{% include "a" %}{% if x %} Do include "all".{% endif %}', is_active=True
    )
    create(engine, "de", template_text="-", is_active=True)
    rows(
        engine,
        "UPDATE prompt_registry SET \"freeze\" = 'record';"
        "INSERT INTO prompt_translations (template_id, language, messages) SELECT id, 'de', "
        """'[{"role": "user", "content": "{% include \\"de\\" %}"}]' FROM prompt_templates WHERE name = 'b'""",
    )
    found = scalar(engine, "SELECT prompt_includes('{% include \"a\" %}')")
    assert set(found) == {"a@1", "b@1", "de@1"}


def test_last_word_of_a_reviewer_counts(engine: Engine, people: list[Login]) -> None:
    wanda, ann, bob = people
    needs(engine, 1)
    template = write(wanda)
    approve(ann, template)
    ann.rows(REVIEW, verdict="rejected", id=template)
    assert refused(bob, template) == "PW002"
    approve(ann, template)
    bob.rows(ACTIVATE, id=template)


def test_policy_of_a_name_goes_before_its_categorys(engine: Engine, people: list[Login]) -> None:
    wanda, _, _ = people
    needs(engine, 2)
    template = write(wanda)
    # A version of another category does not get around it.
    other = create(engine, category="harmless")
    assert refused(wanda, other) == "PW002"
    rows(engine, "UPDATE prompt_names SET approvals_needed = 0 WHERE name = 'hints'")
    wanda.rows(ACTIVATE, id=template)
    rows(engine, "UPDATE prompt_names SET approvals_needed = 1 WHERE name = 'hints'")
    assert refused(wanda, other) == "PW002"


def test_version_inserted_active_needs_approvals_too(engine: Engine) -> None:
    needs(engine, 1)
    for group in (None, "variant_a"):
        with pytest.raises(DBAPIError, match="needs 1 approvals as it is now, and has 0"):
            rows(
                engine,
                "INSERT INTO prompt_templates (name, category, template_text, is_active, ab_test_group) "
                "VALUES ('hints', 'tutoring', '-', true, :group)",
                group=group,
            )


def test_rollback_to_an_approved_version_needs_nobody(engine: Engine, people: list[Login]) -> None:
    wanda, ann, _ = people
    before_the_policy = write(wanda)
    wanda.rows(ACTIVATE, id=before_the_policy)
    needs(engine, 1)
    first, second = write(wanda, "1"), write(wanda, "2")
    for template in (first, second):
        approve(ann, template)
        wanda.rows(ACTIVATE, id=template)
    needs(engine, 2)
    wanda.rows(ACTIVATE, id=first)
    # That one never was approved.
    assert refused(wanda, before_the_policy) == "PW002"
    rows(engine, "UPDATE prompt_templates SET is_active = false")
    change_in_place(engine)
    wanda.rows("UPDATE prompt_templates SET template_text = '3' WHERE id = :id", id=first)
    assert refused(wanda, first) == "PW002"


def test_glass_is_broken_with_a_reason_by_an_approver(engine: Engine, people: list[Login]) -> None:
    wanda, ann, _ = people
    needs(engine, 1)
    template = write(wanda)
    assert refused(ann, template, break_glass="on") == "PW002"
    assert refused(ann, template, break_glass="on", reason="  ") == "PW002"
    with logins(engine, olga="prompt_operator") as (olga,):
        assert refused(olga, template, break_glass="on", reason="it burns") == "42501"
    ann.rows(ACTIVATE, settings={"break_glass": "on", "reason": "it burns"}, id=template)
    assert rows(
        engine, "SELECT who, reason, after -> 'break_glass' FROM prompt_history ORDER BY id DESC LIMIT 1"
    ) == [(ann.name, "it burns", True)]
    # It was active, and yet nobody approved it.
    rows(engine, "UPDATE prompt_templates SET is_active = false")
    assert refused(ann, template) == "PW002"


def test_without_a_policy_nobody_has_to_approve(engine: Engine) -> None:
    template = create(engine, category="tutoring")
    activate(engine, template)
    assert history(engine)[-1] == ("activated", "template", 1)


def test_review_is_of_a_version_and_never_changes(engine: Engine, people: list[Login]) -> None:
    wanda, ann, _ = people
    template = write(wanda)
    approve(ann, template)
    for change in ("UPDATE prompt_reviews SET verdict = 'rejected'", "DELETE FROM prompt_reviews",
                   "TRUNCATE prompt_reviews"):  # fmt: skip
        with pytest.raises(DBAPIError) as caught:
            rows(engine, change)
        assert sqlstate(caught.value) == "PW004"
    with pytest.raises(DBAPIError, match="there is no version"):
        ann.rows(
            "INSERT INTO prompt_reviews (template_id, content_sha256, verdict) VALUES (uuid_v7(), 'x', 'rejected')"
        )


def test_rule_serves_what_has_its_approvals(engine: Engine, people: list[Login]) -> None:
    """Also by a label: what it is moved to is served to those whose context fits."""
    wanda, ann, _ = people
    needs(engine, 1)
    first, second = write(wanda), write(wanda, "Evil")
    label = (
        "INSERT INTO prompt_labels (name, label, template_id) VALUES ('hints', 'beta', :id) "
        "ON CONFLICT (name, label) DO UPDATE SET template_id = EXCLUDED.template_id"
    )
    rule = "UPDATE prompt_names SET rules = CAST(:rules AS jsonb) WHERE name = 'hints'"
    # Who asks for a label knows what it is.
    ann.rows(label, id=first)
    for rules in ('[{"when": {}, "version": 2}]', '[{"when": {"grade": 7}, "label": "beta"}]'):
        with pytest.raises(DBAPIError, match="needs 1 approvals") as caught:
            ann.rows(rule, rules=rules)
        assert sqlstate(caught.value) == "PW002"
    approve(ann, first)
    ann.rows(rule, rules='[{"when": {"grade": 7}, "label": "beta"}]')
    with pytest.raises(DBAPIError, match='version 2 of "hints" needs 1 approvals'):
        ann.rows(label, id=second)
    # What was served goes on being served, and can be removed.
    needs(engine, 2)
    ann.rows(
        rule, rules='[{"when": {"grade": 7}, "label": "beta"}, {"when": {"grade": 8}, "label": "production"}]'
    )
    with pytest.raises(DBAPIError, match="needs 2 approvals"):
        ann.rows(rule, rules='[{"when": {}, "label": "beta"}]')
    ann.rows(rule, rules="[]")
    ann.rows(label, id=second)
