"""Releases: gate, approvals, rollback, labels, blocks, history and explanation, whoever does what at the same time."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from prompt_worker.commands.database import open_session
from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.acting import Actor
from prompt_worker.prompts.authoring.refusals import NotApprovedError, ReleaseError
from prompt_worker.prompts.authoring.releases.activating import activate
from prompt_worker.prompts.authoring.releases.gate.examining import examine
from prompt_worker.prompts.authoring.releases.reviewing import review
from tests.support.authoring import Desk

pytestmark = [pytest.mark.embedded_only, pytest.mark.usefixtures("warm_checks")]

ME = Actor("test")
SECRET = "Ada Lovelace, 555-0100"


@pytest.fixture
def session(desk: Desk) -> Session:
    return open_session("prompts")


@pytest.fixture
def login(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Switches to a login with that role alone."""

    def switch(role: str) -> None:
        monkeypatch.setenv("DATABASE_URL", desk.as_role(role) if role else desk.database)

    return switch


def test_twenty_activations_at_once_leave_one_active(desk: Desk) -> None:
    for at in range(4):
        desk.create("a", f"text {at}")

    def release(at: int) -> int:
        session = open_session("prompts")
        try:
            return activate(session, ME, examine(session, "a", at % 4 + 1, inputs=0)).version
        finally:
            session.engine.dispose()

    with ThreadPoolExecutor(20) as threads:
        assert len(list(threads.map(release, range(20)))) == 20
    assert desk.query("SELECT count(*) FROM prompt_templates WHERE name = 'a' AND is_active") == [(1,)]
    # Each activation follows the end of the one before.
    actions = desk.query(
        "SELECT action, version FROM prompt_history WHERE subject = 'a' AND action LIKE '%%activated' ORDER BY id"
    )
    active = None
    for action, version in actions:
        assert (active is None) == (action == "activated")
        assert action == "activated" or version == active
        active = version if action == "activated" else None
    assert desk.production("a") == active
    assert "is whole" in desk("history", "a")


def test_content_that_changed_since_the_gate_is_not_activated(desk: Desk, session: Session) -> None:
    desk.release("fragments/tone", "Be kind.")
    desk.create("a", "{% include 'fragments/tone' %} one")
    examined = examine(session, "a", 1)
    desk.query("UPDATE prompt_templates SET template_text = 'two' WHERE name = 'a'")
    with pytest.raises(ReleaseError, match="its content changed since it was examined"):
        activate(session, ME, examined)
    desk.query(
        "UPDATE prompt_templates SET template_text = %s WHERE name = 'a'",
        "{% include 'fragments/tone' %} one",
    )
    desk.release("fragments/tone", "Be rude.")
    with pytest.raises(ReleaseError, match="fragments/tone, which it includes, changed since"):
        activate(session, ME, examined)
    assert desk.production("a") is None
    assert activate(session, ME, examine(session, "a", 1)).version == 1


def test_approval_ends_when_the_text_or_a_fragment_changes(
    desk: Desk, session: Session, login: Callable[[str], None]
) -> None:
    desk.release("fragments/tone", "Be kind.")
    desk.create("a", "{% include 'fragments/tone' %} one")
    desk("policy", "--name", "a", "--approvals", "1")
    login("prompt_approver")
    desk("review", "a", "1", "--approve")
    approver = open_session("prompts")
    login("")
    # What is approved is frozen, where an owner does not let it be changed.
    desk("policy", "--freeze", "record")
    desk.query("UPDATE prompt_templates SET template_text = 'two' WHERE name = 'a'")
    with pytest.raises(NotApprovedError, match="needs 1 approvals as it is now, and has 0"):
        activate(approver, ME, examine(approver, "a", 1))
    desk.query(
        "UPDATE prompt_templates SET template_text = %s WHERE name = 'a'",
        "{% include 'fragments/tone' %} one",
    )
    desk.release("fragments/tone", "Be rude.")
    with pytest.raises(NotApprovedError):
        activate(approver, ME, examine(approver, "a", 1))
    review(approver, ME, "a", 1, "approved")
    assert activate(approver, ME, examine(approver, "a", 1)).version == 1
    # A rejection takes the approval back; what was active with it may be rolled back to.
    desk.create("a", "three")
    review(approver, ME, "a", 2, "approved")
    review(approver, ME, "a", 2, "rejected")
    with pytest.raises(NotApprovedError):
        activate(approver, ME, examine(approver, "a", 2))


def test_frozen_version_says_to_make_a_new_one(desk: Desk) -> None:
    desk.release("a", "one")
    with pytest.raises(Exception, match="is active: its content stays as it is"):
        desk.query("UPDATE prompt_templates SET template_text = 'two' WHERE name = 'a'")
    assert "never changes" in desk("policy")


def test_review_of_what_was_not_read_is_refused(desk: Desk, login: Callable[[str], None]) -> None:
    desk.create("a", "one")
    desk.create("broken", "one")
    desk.query("UPDATE prompt_templates SET template_text = '{{ broken' WHERE name = 'broken'")
    (shown,) = desk.objects("show", "a")
    login("prompt_approver")
    assert "is not the content that was read" in desk(
        "review", "a", "1", "--approve", "--sha256", "00ff", code=1
    )
    assert "cannot be approved, as it cannot be served" in desk("review", "broken", "1", "--approve", code=1)
    desk("review", "broken", "1", "--reject", "--reason", "it is broken")
    assert "approved a@1" in desk(
        "review", "a", "1", "--approve", "--sha256", shown["version"]["sha256"][:12]
    )
    assert "approved by prompt_approver_login" in desk("show", "a")
    assert "has no version 7; it has 1" in desk("review", "a", "7", "--approve", code=66)


def test_author_cannot_approve_and_glass_breaks_with_a_reason(desk: Desk) -> None:
    desk("policy", "--category", "tutoring", "--approvals", "2")
    desk.create("a", '+++\ncategory = "tutoring"\n+++\none')
    assert "wrote version 1" in desk("review", "a", "1", "--approve", code=1)
    assert "needs 2 approvals" in desk("activate", "a", "1", code=1)
    assert "without approvals it needs a reason" in desk("activate", "a", "1", "--break-glass", code=1)
    desk("activate", "a", "1", "--break-glass", "--reason", "the provider is down")
    (entry, *_) = desk.objects("history", "a")
    assert (entry["action"], entry["reason"]) == ("activated", "the provider is down")
    desk("policy", "--name", "a", "--approvals", "0")
    desk.create("a", "two")
    desk("activate", "a", "2")
    assert "prompt a: 0 approvals" in desk("policy")
    desk("policy", "--name", "a", "--inherit")
    assert "prompt a" not in desk("policy")


def test_gate_refuses_failures_unless_forced_with_a_reason(desk: Desk) -> None:
    desk.release("a", "Hi {{ name }}")
    for name in ("Ada", "Bob", "Cem"):
        desk.executed("a", 1, {"name": name}, f"Hi {name}")
    desk.create("a", "+++\n[variables]\nname = { type = 'string', max_chars = 2 }\n+++\nHi {{ name }}")
    refused = desk("activate", "a", "2", code=1)
    assert "3 fail" in refused
    assert "3 times a@2 cannot be rendered with these variables: name has 3 characters" in refused
    assert "3 of 3 real inputs cannot be rendered" in refused
    assert desk("activate", "a", "2", "--dry-run", code=1).count("\n") == 2
    assert "forcing it needs a reason" in desk("activate", "a", "2", "--force", code=1)
    assert desk.production("a") == 1
    desk("activate", "a", "2", "--force", "--reason", "they are all test users")
    (entry, *_) = desk.objects("history", "a")
    assert entry["reason"] == "they are all test users (forced: 3 of 3 real inputs cannot be rendered)"


def test_gate_tries_what_includes_a_fragment(desk: Desk) -> None:
    desk.release("fragments/tone", "Be kind.")
    desk.release("hints", "{% include 'fragments/tone' %} {{ q }}")
    desk.executed("hints", 1, {"q": "Why?"}, "Be kind. Why?")
    desk.create("fragments/tone", "Be kind, {{ name }}.")
    refused = desk("activate", "fragments/tone", "2", code=1)
    assert "ok    hints@1, which includes fragments/tone" in refused
    assert "hints@1: over its last 1 executions 1 fail" in refused
    assert "missing: name" in refused


def test_gate_reports_guardrails_and_does_not_refuse(desk: Desk) -> None:
    desk.release("a", "Answer: {{ q }}")
    desk.executed("a", 1, {"q": "Why?"}, "Answer: Why?")
    desk.create("a", "{{ q }} {{ '555-' ~ '123-4567' }}")
    found = desk("activate", "a", "2")
    assert "guardrail pii_detection_basic (block) finds something in 1, before in 0" in found
    assert desk.production("a") == 2


def test_gate_shows_no_text_to_whoever_may_not_read_them(desk: Desk, login: Callable[[str], None]) -> None:
    desk.release("a", "Hi {{ name }}, {{ list | join }} {{ object.key }} {{ n + 1 }}")
    values = {"name": SECRET, "list": [SECRET], "object": {"key": SECRET, SECRET: 1}, "n": 5_550_100}
    desk.executed("a", 1, values, f"Hi {SECRET}")
    desk.create("a", "Hello {{ name }}{{ missing }}")
    desk.create("a", "Hello {{ name }}")
    login("prompt_approver")
    failed = desk("activate", "a", "2", code=1)
    assert "missing: missing; unexpected: list, n, object" in failed
    shown = desk("activate", "a", "3", "--force", "--reason", "-")
    desk("activate", "a", "1")
    changed = desk("activate", "a", "1")
    for printed in (
        failed,
        shown,
        changed,
        *map(str, desk.objects("activate", "a", "3", "--dry-run", code=1)),
    ):
        assert not re.search(r"Ada|Lovelace|555", printed), printed
    assert "sees the shape of what users wrote" in shown
    # Neither by the function that gives their shape, nor by another way.
    masked = desk.query("SELECT input_variables::text FROM masked_prompt_inputs('a', 5)")
    assert "Ada" not in str(masked)
    assert str(len(SECRET)) == str(
        len(desk.query("SELECT input_variables ->> 'name' FROM masked_prompt_inputs('a', 5)")[0][0])
    )


def test_gate_compares_masked_texts_with_what_is_in_production(
    desk: Desk, login: Callable[[str], None]
) -> None:
    desk.release("a", "Hi {{ name }}")
    desk.executed("a", 1, {"name": SECRET}, f"Hi {SECRET}")
    desk.create("a", "Hello {{ name }}")
    login("prompt_approver")
    shown = desk("activate", "a", "2")
    assert f"-Hi {'x' * len(SECRET)}" in shown
    assert f"+Hello {'x' * len(SECRET)}" in shown
    assert "each +3 characters: about +1 token" in shown


def test_rollback_goes_back_and_further_back(desk: Desk) -> None:
    for at in (1, 2, 3):
        desk.release("a", f"text {at}")
    assert "version 2 is in production now, was version 3" in desk("rollback", "a")
    assert "version 1 is in production now, was version 2" in desk("rollback", "a")
    assert "no version of a was in production before" in desk("rollback", "a", code=1)
    assert "no prompt is named b" in desk("rollback", "b", code=66)
    desk.query("UPDATE prompt_templates SET is_active = false WHERE name = 'a'")
    assert "version 1 is in production now" in desk("rollback", "a")


def test_rollback_to_what_cannot_be_compiled_any_more_is_refused(desk: Desk) -> None:
    desk.release("tone", "Be kind.")
    desk.release("a", "{% include 'tone' %}")
    desk.release("a", "alone")
    desk.query("UPDATE prompt_templates SET is_active = false WHERE name = 'tone'")
    assert "a@1 cannot be served" in desk("rollback", "a", code=1)
    assert desk.production("a") == 2


def test_wait_names_the_services_that_do_not_follow(desk: Desk) -> None:
    desk.release("a", "one")
    for service in ("tutor", "video", None):
        desk.executed("a", 1, {}, service=service)
    desk.release("a", "two")
    desk.executed("a", 2, {}, service="tutor")
    desk.executed("a", 1, {}, service="video")
    # What was pinned says nothing of what is served.
    desk.executed("a", 1, {}, service="tutor", selection="pinned")
    waited = desk("activate", "a", "2", "--inputs", "0", "--wait", "--timeout", "0.1", code=1)
    assert "tutor serves version 2" in waited
    assert "video still serves a@1 as it was" in waited
    assert "(a service without a name) has published nothing since" in waited
    assert "2 services do not serve version 2 yet" in waited
    (_, progress) = desk.objects("rollback", "a", "--wait", "--timeout", "0.1", code=1)
    assert {each["name"] for each in progress["left"]} == {"tutor", "video", None}


def test_wait_counts_an_arm_of_an_experiment_by_its_revision(desk: Desk) -> None:
    """Which has a version of its own: the one that was released is nobody's while all are in the experiment."""
    desk.release("a", "one")
    desk.executed("a", 1, {})
    ((before,),) = desk.query("SELECT revision FROM prompt_registry")
    desk.release("a", "two")
    wait = ("activate", "a", "2", "--inputs", "0", "--wait", "--timeout", "0.1")
    desk.executed("a", 1, {}, selection="experiment", revision=before)
    assert "tutor still serves a@1" in desk(*wait, code=1)
    desk.executed("a", 1, {}, selection="experiment", revision=before + 2)
    desk.executed("a", 1, {}, service="video", selection="rollout", revision=before + 2)
    assert "video serves version 2" in desk(*wait, code=1)


def test_wait_for_a_fragment_watches_what_includes_it(desk: Desk) -> None:
    desk.release("tone", "Be kind.")
    desk.release("hints", "{% include 'tone' %}")
    ((before,),) = desk.query("SELECT revision FROM prompt_registry")
    desk.executed("hints", 1, {}, "Be kind.", revision=before)
    desk.release("tone", "Be brief.")
    waited = ("activate", "tone", "2", "--inputs", "0", "--wait", "--timeout", "0.1")
    assert "tutor has published nothing since" in desk(*waited, code=1)
    desk.executed("hints", 1, {}, "Be kind.", revision=before)
    assert "tutor still serves hints@1 as it was" in desk(*waited, code=1)
    desk.executed("hints", 1, {}, "Be brief.", service="video", revision=before + 2)
    assert "video serves version 2" in desk(*waited, code=1)


def test_wait_for_a_prompt_that_nobody_uses_ends_at_once(desk: Desk) -> None:
    desk.create("a", "one")
    assert "there is nobody to wait for" in desk("activate", "a", "1", "--wait")


@pytest.mark.parametrize("label", ["3", "latest", "production", "Beta", "", "a b"])
def test_bad_label_is_refused(desk: Desk, label: str) -> None:
    desk.create("a", "one")
    assert "is no label" in desk("label", "a", label, "1", code=64)


def test_label_moves_and_is_removed(desk: Desk) -> None:
    desk.release("a", "one")
    desk.create("a", "two")
    assert desk("label", "a", "beta", "2") == "a, label beta: now version 2\n"
    assert re.search(r"^labels +beta +$", desk("show", "a", "2"), re.MULTILINE)
    assert desk("label", "a", "beta", "1") == "a, label beta: now version 1, was version 2\n"
    assert "has no version 7" in desk("label", "a", "beta", "7", code=66)
    assert "no prompt is named b" in desk("label", "b", "beta", "1", code=66)
    assert desk("label", "a", "beta", "--remove") == "a, label beta: removed, was version 1\n"
    assert "has no label beta" in desk("label", "a", "beta", "--remove", code=66)
    assert "has no label beta" in desk("explain", "a", "--label", "beta", code=1)


def test_block_needs_a_reason_and_is_explained(desk: Desk) -> None:
    desk.release("a", "one")
    assert "needs a reason" in desk("block", "a", code=64)
    assert "needs a reason" in desk("block", "a", "--reason", " \n", code=64)
    desk("block", "a", "--reason", "it leaks answers")
    assert "it leaks answers" in desk("list")
    assert "a is blocked: it leaks answers" in desk("explain", "a", code=1)
    assert "was: it leaks answers" in desk("unblock", "a")
    assert desk("unblock", "a") == "a was not blocked\n"
    assert "chosen by production" in desk("explain", "a")


def test_explain_tells_what_was_served_at_each_moment(desk: Desk, login: Callable[[str], None]) -> None:
    moments = {}

    def now(what: str) -> None:
        ((at,),) = desk.query("SELECT clock_timestamp()")
        moments[what] = at.isoformat()

    now("nothing")
    desk.release("a", "one")
    now("one")
    desk.release("a", "two")
    now("two")
    desk("label", "a", "beta", "1")
    now("labelled")
    desk("label", "a", "beta", "2")
    desk("block", "a", "--reason", "stop")
    now("blocked")
    desk("unblock", "a")
    desk.query(
        """UPDATE prompt_names SET rules = '[{"when": {"level": {"from": 3}}, "version": 1}]' WHERE name = 'a'"""
    )
    now("ruled")
    desk("rollback", "a")

    def served(what: str, *options: str, code: int = 0) -> str:
        return (
            desk("explain", "a", "--at", moments[what], *options, code=code)
            .splitlines()[0]
            .partition(": ")[2]
        )

    assert served("nothing", code=1).startswith("no version; no version is in production")
    assert served("one") == "version 1, chosen by production"
    assert served("two") == "version 2, chosen by production"
    assert served("one", "--label", "beta", code=1).startswith("no version; a has no label beta")
    assert served("labelled", "--label", "beta") == "version 1, chosen by label:beta"
    assert served("blocked", code=1) == "no version; a is blocked: stop"
    assert served("ruled", "--context", "level=3") == "version 1, chosen by rule:1"
    assert served("ruled", "--context", "level=2") == "version 2, chosen by production"
    assert served("two", "--context", "level=3") == "version 2, chosen by production"
    assert "chosen by pinned" in served("ruled", "--version", "1")
    assert "version 1, chosen by production" in desk("explain", "a", "--unit", "student-17")
    assert "by postgres" in desk("explain", "a", "--at", moments["two"])
    assert "the history begins at" in desk("explain", "a", "--at", "2020-01-01T00:00Z", code=1)
    login("prompt_viewer")
    assert "needs the role prompt_text_reader" in desk("explain", "a", "--at", moments["two"], code=69)
    assert "version 1, chosen by production" in desk("explain", "a")


def test_history_that_was_tampered_with_is_reported(desk: Desk, login: Callable[[str], None]) -> None:
    desk.release("a", "one")
    assert "is whole\n" in desk("history", "a")
    login("prompt_viewer")
    assert "only its links" in desk("history", "a")
    login("")
    desk.query(
        "ALTER TABLE prompt_history DISABLE TRIGGER USER; UPDATE prompt_history SET who = 'nobody' "
        "WHERE action = 'activated' AND subject = 'a'; ALTER TABLE prompt_history ENABLE TRIGGER USER"
    )
    assert "tampered with: rows" in desk("history", code=1)
    desk.query(
        "ALTER TABLE prompt_history DISABLE TRIGGER USER; DELETE FROM prompt_history WHERE subject = 'a' "
        "AND action = 'activated'; ALTER TABLE prompt_history ENABLE TRIGGER USER"
    )
    assert "its end is missing" in desk("history", code=1)


def test_only_an_identity_provider_acts_for_another(desk: Desk, login: Callable[[str], None]) -> None:
    desk.create("a", "one")
    login("prompt_approver")
    assert "prompt_identity_provider" in desk("activate", "a", "1", "--for", "the boss", code=69)
    login("prompt_identity_provider")
    desk.query("GRANT prompt_approver TO prompt_identity_provider_login")
    desk("activate", "a", "1", "--for", "ada@example.com")
    (entry, *_) = desk.objects("history", "a")
    assert (entry["who"], entry["login"]) == ("ada@example.com", "prompt_identity_provider_login")


@pytest.mark.parametrize(
    ("arguments", "role"),
    [
        (["create", "a", "FILE"], "prompt_editor"),
        (["push", "FOLDER"], "prompt_editor"),
        (["review", "a", "1", "--approve"], "prompt_approver"),
        (["activate", "a", "1"], "prompt_approver"),
        (["label", "a", "beta", "1"], "prompt_approver"),
        (["block", "a", "--reason", "-"], "prompt_approver"),
        (["policy", "--name", "a", "--approvals", "1"], "the tables' owner"),
        (["new-epoch", "--yes"], "prompt_operator"),
    ],
)
def test_viewer_changes_nothing_and_is_told_the_role(
    desk: Desk, login: Callable[[str], None], arguments: list[str], role: str
) -> None:
    desk.create("a", "one")
    given = {"FILE": desk.file("two"), "FOLDER": str(desk.folder)}
    login("prompt_viewer")
    assert role in desk(*(given.get(each, each) for each in arguments), code=69)
    assert "a\t" in desk("list")


def test_new_epoch_begins_when_it_is_confirmed(desk: Desk) -> None:
    assert "pass --yes to begin epoch 2" in desk("new-epoch")
    assert desk("new-epoch", "--yes") == "epoch 2 begins\n"
    assert desk("new-epoch").startswith("epoch 2, revision")


@pytest.mark.parametrize("number", ["0", "-1", "latest", "²", "9" * 30])
def test_bad_version_number_is_refused(desk: Desk, number: str) -> None:
    desk("show", "nlu_topic_extraction", number, code=2)


def test_version_beyond_the_columns_is_not_there(desk: Desk) -> None:
    assert "has no version 9999999999; it has 1" in desk(
        "show", "nlu_topic_extraction", "9999999999", code=66
    )
