"""Who did it is whom the server let in; the roles of prompts may do their work and nothing else."""

from __future__ import annotations

import pytest
from queries import rows, scalar
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from tests.support.logins import Login, logins
from tests.support.versions import create, sqlstate

pytestmark = pytest.mark.usefixtures("warm_checks")

WRITE = (
    "INSERT INTO prompt_templates (name, version, template_text) VALUES ('hints', NULL, '-') RETURNING author"
)
PERSON = {"person": "ann@example.org"}
LAST = "SELECT who, login FROM prompt_history ORDER BY id DESC LIMIT 1"


def test_login_is_the_actor_whatever_it_says(engine: Engine) -> None:
    with logins(engine, ann="prompt_editor, prompt_case_editor") as (ann,):
        assert ann.rows(WRITE) == [(ann.name,)]
        assert rows(engine, LAST) == [(ann.name, ann.name)]
        for spoofed in (
            WRITE,
            "SELECT current_prompt_actor()",
            "INSERT INTO prompt_cases (name, input_variables) VALUES ('hints', '{}')",
            "DELETE FROM prompt_cases",
        ):
            if spoofed.startswith("DELETE"):
                continue
            with pytest.raises(DBAPIError, match="may not act for another person") as refused:
                ann.rows(spoofed, settings=PERSON)
            assert sqlstate(refused.value) == "42501"
        # Nor by another role of its own, nor by a person of no name.
        with pytest.raises(DBAPIError, match="permission denied to set role"):
            ann.rows("SET ROLE prompt_identity_provider")
        assert ann.rows(WRITE, settings={"person": ""}) == [(ann.name,)]
    assert scalar(engine, "SELECT count(*) FROM prompt_history WHERE who = 'ann@example.org'") == 0


def test_identity_provider_names_a_person_and_both_are_kept(engine: Engine) -> None:
    with logins(engine, console="prompt_editor, prompt_approver, prompt_identity_provider") as (console,):
        assert console.rows(WRITE, settings=PERSON) == [("ann@example.org",)]
        assert rows(engine, LAST) == [("ann@example.org", console.name)]
        review = (
            "INSERT INTO prompt_reviews (template_id, content_sha256, verdict) "
            "SELECT id, content_sha256, 'approved' FROM prompt_templates WHERE name = 'hints'"
        )
        with pytest.raises(DBAPIError, match=r"ann@example.org wrote version 1"):
            console.rows(review, settings=PERSON)
        console.rows(review, settings={"person": "bob@example.org"})
        assert rows(engine, "SELECT reviewer, login FROM prompt_reviews") == [
            ("bob@example.org", console.name)
        ]
        assert console.rows("SELECT current_prompt_actor()") == [(console.name,)]


def test_person_is_gone_with_the_transaction(engine: Engine) -> None:
    with logins(engine, console="prompt_identity_provider") as (console,):
        asked = "SELECT current_prompt_actor()"
        assert console.rows(asked, settings=PERSON) == [("ann@example.org",)]
        assert console.rows(asked) == [(console.name,)]


MAY = {
    "prompt_viewer": [
        "SELECT * FROM prompt_templates",
        "SELECT * FROM prompt_translations",
        "SELECT * FROM prompt_labels, prompt_names, prompt_registry, prompt_policies, prompt_reviews",
        "SELECT id, who, action, subject, version, reason FROM prompt_history",
        "SELECT name, note FROM prompt_cases",
        "SELECT * FROM v_template_performance",
        "SELECT * FROM v_ab_test_statistics",
        "SELECT prompt_frozen_because(id), prompt_release_of(id) FROM prompt_templates",
        "SELECT version FROM schema_migrations",
    ],
    "prompt_editor": [
        WRITE,
        "SELECT next_prompt_version('hints')",
        "UPDATE prompt_templates SET template_text = 'x', description = 'x' WHERE name = 'hints'",
        "INSERT INTO prompt_translations (template_id, language, template_text) "
        "SELECT id, 'de', 'x' FROM prompt_templates WHERE name = 'hints'",
        "UPDATE prompt_translations SET template_text = 'y'",
        "DELETE FROM prompt_translations",
        "INSERT INTO prompt_labels (name, label, template_id) "
        "SELECT name, 'staging', id FROM prompt_templates WHERE name = 'hints' LIMIT 1",
        "SELECT id, note, language, execution_id FROM prompt_cases",
        "SELECT * FROM masked_prompt_cases('hints')",
    ],
    "prompt_case_editor": [
        "INSERT INTO prompt_cases (name, input_variables, language, note) VALUES ('hints', '{}', 'de', 'x')",
        "SELECT id, name, note FROM prompt_cases",
        "SELECT * FROM masked_prompt_cases('hints')",
        "DELETE FROM prompt_cases",
    ],
    "prompt_approver": [
        "INSERT INTO prompt_reviews (template_id, content_sha256, verdict, comment) "
        "SELECT id, content_sha256, 'rejected', 'x' FROM prompt_templates",
        "UPDATE prompt_templates SET is_active = true, updated_by = 'x' WHERE name = 'hints'",
        "INSERT INTO prompt_labels (name, label, template_id) "
        "SELECT name, 'canary', id FROM prompt_templates WHERE name = 'hints' LIMIT 1 "
        "ON CONFLICT (name, label) DO UPDATE SET template_id = EXCLUDED.template_id",
        "DELETE FROM prompt_labels",
        "UPDATE prompt_names SET blocked_reason = 'x', rules = '[]' WHERE name = 'hints'",
        "INSERT INTO prompt_names (name, blocked_reason) VALUES ('never made', 'x')",
        "UPDATE prompt_registry SET \"freeze\" = 'enforce'",
    ],
    "prompt_text_reader": [
        "SELECT rendered_prompt, model_response FROM prompt_executions",
        "SELECT before, after FROM prompt_history",
        "SELECT input_variables FROM prompt_cases",
    ],
    "prompt_reader": [
        "SELECT * FROM prompt_templates, prompt_translations, prompt_labels, prompt_names, prompt_registry",
    ],
    "prompt_operator": [
        "UPDATE prompt_templates SET is_active = true WHERE name = 'hints'",
        "UPDATE prompt_registry SET epoch = epoch + 1",
    ],
}
MAY_NOT = {
    "prompt_viewer": [
        WRITE,
        "SELECT before FROM prompt_history",
        "SELECT * FROM prompt_history",
        "SELECT input_variables FROM prompt_cases",
        "SELECT rendered_prompt FROM prompt_executions",
        "SELECT user_id FROM prompt_executions",
        "SELECT * FROM v_recent_execution_errors",
        "UPDATE prompt_templates SET is_active = true",
        "SELECT next_prompt_version('hints')",
    ],
    "prompt_editor": [
        "INSERT INTO prompt_templates (name, template_text, is_active) VALUES ('hints', '-', true)",
        "INSERT INTO prompt_templates (name, template_text, author) VALUES ('hints', '-', 'x')",
        "INSERT INTO prompt_templates (name, template_text, content_sha256) VALUES ('hints', '-', 'x')",
        "UPDATE prompt_templates SET is_active = true",
        "UPDATE prompt_templates SET name = 'x'",
        "UPDATE prompt_templates SET total_executions = 0",
        "DELETE FROM prompt_templates",
        "UPDATE prompt_labels SET label = 'x'",
        "INSERT INTO prompt_reviews (template_id, content_sha256, verdict) VALUES (uuid_v7(), 'x', 'approved')",
        "UPDATE prompt_names SET blocked_reason = 'x'",
        "UPDATE prompt_names SET next_version = 1",
        "INSERT INTO prompt_policies VALUES ('c', 0)",
        "SELECT rendered_prompt FROM prompt_executions",
        "SELECT before FROM prompt_history",
        "SELECT input_variables FROM prompt_cases",
        "INSERT INTO prompt_cases (name, input_variables) VALUES ('hints', '{}')",
        "DELETE FROM prompt_cases",
    ],
    "prompt_case_editor": [
        WRITE,
        "SELECT input_variables FROM prompt_cases",
        "UPDATE prompt_cases SET note = 'x'",
        "INSERT INTO prompt_cases (name, input_variables, created_by) VALUES ('hints', '{}', 'somebody')",
        "SELECT input_variables FROM prompt_executions",
    ],
    "prompt_approver": [
        WRITE,
        "UPDATE prompt_templates SET template_text = 'x'",
        "INSERT INTO prompt_reviews (template_id, content_sha256, verdict, reviewer) "
        "VALUES (uuid_v7(), 'x', 'approved', 'somebody')",
        "UPDATE prompt_reviews SET verdict = 'approved'",
        "UPDATE prompt_names SET approvals_needed = 0",
        "UPDATE prompt_policies SET approvals_needed = 0",
        "UPDATE prompt_registry SET revision = 9",
        "INSERT INTO prompt_history (at, who, login, action, kind, subject, sha256) "
        "VALUES (now(), 'x', 'x', 'x', 'x', 'x', 'x')",
        "SELECT record_prompt_change('x', 'x', 'x', 1, NULL, NULL)",
        "SELECT input_variables FROM prompt_cases",
    ],
    "prompt_text_reader": [WRITE, "DELETE FROM prompt_cases", "DELETE FROM prompt_history"],
    "prompt_reader": [
        "SELECT * FROM prompt_reviews",
        "SELECT id FROM prompt_history",
        "SELECT id FROM prompt_cases",
        "UPDATE prompt_registry SET revision = 9",
        "SELECT prompt_release_of(uuid_v7())",
    ],
    "prompt_operator": [
        WRITE,
        "UPDATE prompt_templates SET template_text = 'x'",
        "UPDATE prompt_templates SET variables = '[]'",
        "UPDATE prompt_templates SET model_config = '{}'",
        "UPDATE prompt_templates SET name = 'x'",
        "INSERT INTO prompt_translations (template_id, language, template_text) VALUES (uuid_v7(), 'de', '-')",
        "SELECT before FROM prompt_history",
    ],
    "prompt_identity_provider": ["SELECT * FROM prompt_templates"],
}


@pytest.mark.parametrize("role", MAY)
def test_role_of_prompts_may_do_its_work(engine: Engine, role: str) -> None:
    create(engine)
    with logins(engine, login=role) as (login,):
        for statement in MAY[role]:
            login.rows(statement)


@pytest.mark.parametrize("role", MAY_NOT)
def test_role_of_prompts_may_do_nothing_else(engine: Engine, role: str) -> None:
    create(engine)
    with logins(engine, login=role) as (login,):
        for statement in MAY_NOT[role]:
            assert_denied(login, statement)


def assert_denied(login: Login, statement: str) -> None:
    with pytest.raises(DBAPIError, match="permission denied") as refused:
        login.rows(statement)
    assert sqlstate(refused.value) == "42501", statement


def test_functions_with_their_owners_rights_are_nobodys_by_default(engine: Engine) -> None:
    assert rows(
        engine,
        "SELECT p.proname FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g "
        "WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef AND g.grantee = 0 "
        "AND p.proname ~ '^(prompt_|record_|stamp_|keep_prompt|keep_translation|begin_prompt|next_|number_|require_"
        "|refuse_frozen|hash_)'",
    ) == []  # fmt: skip
