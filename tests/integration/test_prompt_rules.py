"""Rules of a name: which version a context gets, as an owner sets them and a service follows them."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from prompt_worker import PromptTemplateService
from prompt_worker.commands.database import open_session
from prompt_worker.prompts.authoring.acting import Actor
from prompt_worker.prompts.authoring.refusals import ReleaseError
from prompt_worker.prompts.authoring.releases.ruling import added, change_rules
from tests.support.authoring import Desk

pytestmark = pytest.mark.embedded_only

ME = Actor("test")


@pytest.fixture
def rules(desk: Desk) -> Desk:
    """With three versions of `a`, the first in production, the third labelled beta; and one that cannot be served."""
    desk.query(
        "INSERT INTO prompt_templates (name, version, template_text, is_active) "
        "VALUES ('a', 1, 'one', true), ('a', 2, 'two', false), ('a', 3, 'three', false), ('broken', 1, '{{ x', false)"
    )
    desk.query(
        "INSERT INTO prompt_labels (name, label, template_id) "
        "SELECT name, 'beta', id FROM prompt_templates WHERE name = 'a' AND version = 3"
    )
    return desk


def test_rules_are_added_shown_served_and_removed(rules: Desk) -> None:
    assert "has no rules: every context gets the version in production" in rules("rules", "a")
    revision = rules.query("SELECT revision FROM prompt_registry")
    rules("rules", "a", "--add", "--when", "grade=7", "--version", "2", "--reason", "for the pilot")
    assert rules.query("SELECT revision FROM prompt_registry") > revision
    added = rules(
        "rules", "a", "--add", "--when", 'grade={"from": 5, "to": 7}', "--when", "school=north", "--label", "beta",
        "--at", "1",
    )  # fmt: skip
    assert added == (
        'rule 1: label beta when grade is from 5 to 7 and school is "north"\nrule 2: version 2 when grade is 7\n'
    )
    assert re.search(
        r'^rule 1 +label beta when grade is from 5 to 7 and school is "north"',
        rules("show", "a"),
        re.MULTILINE,
    )
    for context, version, selection in (
        ({"grade": 7, "school": "north"}, 3, "rule:1"),
        ({"grade": 7}, 2, "rule:2"),
        ({"grade": "7"}, 1, "production"),
    ):
        given = [
            part for key, value in context.items() for part in ("--context", f"{key}={json.dumps(value)}")
        ]
        (explained,) = rules.objects("explain", "a", *given)
        assert (explained["version"], explained["selection"]) == (version, selection)
        with_service(rules, context, version, selection)
    assert "rule 2: version 2 when grade is 7 (it holds)" in rules("explain", "a", "--context", "grade=7")
    rules("rules", "a", "--remove", "1")
    assert rules.objects("rules", "a") == [{"when": {"grade": 7}, "version": 2}]
    (last, *_) = rules.objects("history", "a")
    assert (last["action"], last["kind"], last["who"]) == ("rules", "name", "postgres")
    assert rules.query(
        "SELECT reason, before, after FROM prompt_history WHERE action = 'rules' ORDER BY id LIMIT 1"
    ) == [("for the pilot", {"rules": []}, {"rules": [{"when": {"grade": 7}, "version": 2}]})]


def with_service(desk: Desk, context: dict[str, object], version: int, selection: str) -> None:
    """A service gets what `explain` says."""
    service = PromptTemplateService(registry=desk.database)
    try:
        assert service.start(wait=10)
        prompt = service.get("a", context=context)
        assert (prompt.version, prompt.reason) == (version, selection)
    finally:
        service.close()


def test_all_rules_are_set_from_a_file_and_from_standard_input(
    rules: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = rules.folder / "rules.json"
    given = [
        {"when": {"country": {"in": ["DE", "AT"]}}, "label": "beta"},
        {"when": {"grade": 7}, "version": 2},
    ]
    file.write_text(json.dumps(given))
    assert 'country is one of "DE", "AT"' in rules("rules", "a", "--set", str(file))
    assert rules.objects("rules", "a") == given
    assert "nothing was changed" in rules("rules", "a", "--set", str(file))
    file.write_text("[]")
    assert "has no rules" in rules("rules", "a", "--set", str(file))
    file.write_text("[{")
    assert "is not JSON" in rules("rules", "a", "--set", str(file), code=65)
    assert "cannot read" in rules("rules", "a", "--set", "nowhere.json", code=66)


def test_rules_that_serve_nothing_are_refused(rules: Desk) -> None:
    for arguments, said, code in (
        (("a", "--add", "--when", "grade=7", "--version", "9"), "rule 1: there is no version 9; it has 1, 2, 3", 65),
        (("a", "--add", "--when", "grade=7", "--label", "gone"), "rule 1: there is no label gone; it has beta", 65),
        (("a", "--add", "--when", "gr ade=7", "--version", "2"), "gr ade is no key of a context", 65),
        (("a", "--add", "--when", 'grade={"from": 7, "to": 5}', "--version", "2"), "so it would never hold", 65),
        (("a", "--add", "--when", "grade=NaN", "--version", "2"), "it is not JSON", 65),
        (("a", "--add", "--when", "a=1", "--when", "a=2", "--version", "2"), "a key is given twice", 65),
        (("broken", "--add", "--when", "grade=7", "--version", "1"), "version 1 of broken cannot be served", 65),
        (("nobody", "--add", "--when", "grade=7", "--version", "1"), "no prompt is named nobody", 66),
        (("a", "--remove", "1"), "there is no rule 1: it has none", 65),
        (("a", "--add", "--version", "2"), "--add needs --when", 64),
        (("a", "--when", "grade=7"), "give --add with --when", 64),
    ):  # fmt: skip
        assert said in rules("rules", *arguments, code=code), arguments
    assert rules.query("SELECT count(*) FROM prompt_history WHERE action = 'rules'") == [(0,)]


def test_rules_that_two_owners_add_at_once_are_both_there_or_one_is_refused(rules: Desk) -> None:
    def add(grade: int) -> bool:
        session = open_session("prompts")
        try:
            change_rules(session, ME, "a", added({"when": {"grade": grade}, "version": 2}, None))
        except ReleaseError:
            return False
        finally:
            session.engine.dispose()
        return True

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(add, range(4)))
    kept = {rule["when"]["grade"] for rule in rules.objects("rules", "a")}
    assert kept == {grade for grade, was_added in enumerate(done) if was_added}
    assert kept


def test_what_a_rule_serves_is_frozen_and_its_label_stays(rules: Desk) -> None:
    rules("rules", "a", "--add", "--when", "grade=7", "--version", "2")
    rules("rules", "a", "--add", "--when", "grade=8", "--label", "beta")
    refuse_change(rules, "is served by a rule")
    assert "label beta of a is what rule 2 serves" in rules("label", "a", "beta", "--remove", code=1)
    rules("rules", "a", "--remove", "1")
    refuse_change(rules, "was served")
    rules("rules", "a", "--remove", "1")
    assert "removed" in rules("label", "a", "beta", "--remove")


def refuse_change(desk: Desk, why: str) -> None:
    with pytest.raises(psycopg2.Error, match=f'version 2 of "a" {why}') as refused:
        desk.query("UPDATE prompt_templates SET template_text = 'x' WHERE name = 'a' AND version = 2")
    assert refused.value.pgcode == "PW001"


def test_only_an_approver_changes_rules(rules: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("rules", "a", "--add", "--when", "grade=7", "--version", "2")
    for role, code in (("prompt_viewer", 69), ("prompt_editor", 69), ("prompt_approver", 0)):
        monkeypatch.setenv("DATABASE_URL", rules.as_role(role))
        rules("rules", "a")
        said = rules(*arguments, code=code)
        assert ("needs the role prompt_approver" in said) == (code != 0)
