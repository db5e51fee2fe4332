"""The owner's part of the prompts' README: each command runs, in its order, with the rights of who would run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.authoring import Desk
from tests.support.documents import REPOSITORY, blocks, prompt_worker_commands

pytestmark = pytest.mark.embedded_only

README = REPOSITORY / "worker" / "prompt_worker" / "prompts" / "README.md"
ROLES = {
    "prompt_viewer": ("list", "show", "diff", "plan", "render", "history", "pull", "export"),
    "prompt_editor": ("push", "create", "import"),
    "prompt_approver": ("review", "activate", "rollout", "rollback", "label", "rules", "block", "unblock"),
    "prompt_case_editor": ("cases",),
    "prompt_text_reader": ("explain",),
    "": ("policy",),
}
ROLE = {command: role for role, commands in ROLES.items() for command in commands}
# Versions differ; ten minutes ago, in this test, there was none; and nobody looks at the rollout here.
CODES = {"diff": 1, "explain tutor/hints --unit student-17 --at 10m": 1, "rollout advance": 1}


def test_commands_of_the_owners_part_run_in_their_order(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk.folder)
    (text,) = (block.text for block in blocks(README) if block.language == "jinja")
    desk.file(text, "app/prompts/tutor/hints")
    desk.file("Be kind, and brief.\n", "app/prompts/fragments/tone")
    desk.file(text.replace("Question:", "The question:"), "hints")
    Path("long.json").write_text(json.dumps({"question": "Why? " * 1000}))
    urls = {role: desk.as_role(role) if role else desk.database for role in ROLES}
    desk.query("GRANT prompt_viewer TO prompt_text_reader_login")
    commands = [command for block in blocks(README) for command in prompt_worker_commands(block)]
    done, printed = [], {}
    for _, *command in commands:
        if command[0] == "check" or "--folder" in command:
            continue
        monkeypatch.setenv("DATABASE_URL", urls[ROLE[command[0]]])
        printed[" ".join(command)] = said = desk(*command, code=_code(command))
        done.append(command[0])
        if command[0] == "export":
            Path("hints.json").write_text(said)
    assert set(done) == {*ROLE}
    assert "(it holds)" in printed["explain tutor/hints --context grade=7"]
    assert "a question of two pages" in printed["cases tutor/hints"]
    assert "over 1 saved case 0 fail" in printed["activate tutor/hints 2 --wait"]
    assert "version 2 is in production now, was version 1" in printed["activate tutor/hints 2 --wait"]
    assert "Question: Why?" in printed["render tutor/hints --var question=Why?"]
    assert "1 as in production" in printed["import hints.json --yes"]
    assert desk.production("tutor/hints") == 1


def _code(command: list[str]) -> int:
    """By the whole command, its first two words, or the first."""
    given = (" ".join(command), " ".join(command[:2]), command[0])
    return next((CODES[each] for each in given if each in CODES), 0)
