"""From the first version of a prompt to a rollback, as an owner's commands tell it."""

from __future__ import annotations

import pytest

from tests.support.authoring import Desk

pytestmark = pytest.mark.embedded_only

FIRST = """\
+++
description = "Gives a hint."
category = "tutoring"

[variables]
question = { type = "string" }
grade = { type = "string", required = false }
+++
Give a hint, not the answer.
Question: {{ question }}
"""
# Not every service sends the grade.
FAULTY = FIRST.replace("required = false", "required = true").replace(
    "{{ question }}", "{{ question }} ({{ grade }})"
)
FIXED = FIRST.replace("{{ question }}", "{{ question }}{% if grade %} ({{ grade }}){% endif %}")


def test_story_of_a_prompt(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    logins = {role: desk.as_role(role) for role in ("prompt_editor", "prompt_approver", "prompt_text_reader")}
    desk.query("GRANT prompt_text_reader TO prompt_approver_login")

    def login(role: str) -> None:
        monkeypatch.setenv("DATABASE_URL", logins[role])

    desk("policy", "--category", "tutoring", "--approvals", "1")

    # An editor creates it; a fault is refused with its line, and nothing is saved.
    login("prompt_editor")
    broken = desk(
        "create", "tutor/hints", desk.file(FIRST.replace("{{ question }}", "{{ qestion }}")), code=1
    )
    assert "a.prompt:10:14:" in broken
    assert "qestion" in broken
    assert desk.create("tutor/hints", FIRST) == 1

    # Who wrote it cannot approve it, and without an approval it is not activated.
    assert "needs the role prompt_approver" in desk("review", "tutor/hints", "1", "--approve", code=69)
    login("prompt_approver")
    assert "needs 1 approvals as it is now, and has 0" in desk("activate", "tutor/hints", "1", code=1)
    desk("review", "tutor/hints", "1", "--approve", "--reason", "reads well")
    desk("activate", "tutor/hints", "1")

    # It is used. The gate finds in real inputs what no test thought of.
    for question, grade in (("Why is 3 < 4?", "7"), ("What is {{ x }}?", None), ("Why?", "8")):
        variables = {"question": question} | ({"grade": grade} if grade else {})
        desk.executed("tutor/hints", 1, variables, f"Give a hint, not the answer.\nQuestion: {question}\n")
    login("prompt_editor")
    assert desk.create("tutor/hints", FAULTY) == 2
    login("prompt_approver")
    desk("review", "tutor/hints", "2", "--approve")
    gate = desk("activate", "tutor/hints", "2", code=1)
    assert "1 fail, 0 stay the same, 2 change" in gate
    assert "missing: grade" in gate
    assert "+Question: Why is 3 < 4? (7)" in gate
    assert "1 of 3 real inputs cannot be rendered" in gate
    assert desk.production("tutor/hints") == 1

    # It is fixed, approved and activated.
    login("prompt_editor")
    assert desk.create("tutor/hints", FIXED) == 3
    login("prompt_approver")
    desk("review", "tutor/hints", "3", "--approve", "--reason", "grade is optional now")
    gate = desk("activate", "tutor/hints", "3")
    assert "0 fail, 1 stay the same, 2 change" in gate
    assert "version 3 is in production now, was version 1" in gate

    # It spreads: until every service serves it, the command says which does not.
    assert "tutor has published nothing since" in desk(
        "activate", "tutor/hints", "3", "--inputs", "0", "--wait", "--timeout", "0.1", code=1
    )
    desk.executed("tutor/hints", 3, {"question": "Why?"})
    assert "version 3 is served everywhere" in desk(
        "activate", "tutor/hints", "3", "--inputs", "0", "--wait", "--timeout", "5"
    )

    # It is rolled back, without another approval.
    assert "version 1 is in production now, was version 3" in desk(
        "rollback", "tutor/hints", "--reason", "hints too long"
    )
    assert desk.production("tutor/hints") == 1

    history = desk.objects("history", "tutor/hints", "--limit", "0")
    done = [(each["action"], each["version"]) for each in history if each["kind"] in ("template", "review")]
    assert done == [
        ("activated", 1),
        ("deactivated", 3),
        ("activated", 3),
        ("deactivated", 1),
        ("reviewed", 3),
        ("created", 3),
        ("reviewed", 2),
        ("created", 2),
        ("activated", 1),
        ("reviewed", 1),
        ("created", 1),
    ]
    assert (history[0]["who"], history[0]["reason"]) == ("prompt_approver_login", "hints too long")
    assert "is whole\n" in desk("history")
