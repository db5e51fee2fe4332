"""A story of a prompt, with the commands that its owners type and what they print.

    python -m tests.prompt_story

From the first version to a rollback: a fault is refused, somebody else approves, the gate finds in real inputs what no
test thought of, the fix spreads, is rolled back, and the history says who did what. Exits 1 where it goes otherwise.
"""

from __future__ import annotations

import io
import os
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from prompt_schema.migrate import migrate
from prompt_worker.commands.cli import main as command
from prompt_worker.local.servers.postgres import Postgres
from prompt_worker.platform.postgres.engine import connect
from tests.support.authoring import Desk

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
NAME = "tutor/hints"

Say = Callable[[str], None]
# Switches to the login of a role; of the tables' owner for none.
Login = Callable[[str], None]


def tell(desk: Desk, login: Login, say: Say) -> None:
    """Runs it to its end, with a sentence before each part."""
    say("An owner of the tables says that one other person has to approve what tutors are given.")
    desk("policy", "--category", "tutoring", "--approvals", "1")
    _make(desk, login, say)
    _use(desk, login, say)
    _fix(desk, login, say)
    _spread(desk, say)
    _go_back(desk, say)


def _make(desk: Desk, login: Login, say: Say) -> None:
    say("An editor creates the prompt. A fault is refused with its line, and nothing is saved.")
    login("prompt_editor")
    broken = desk("create", NAME, desk.file(FIRST.replace("{{ question }}", "{{ qestion }}")), code=1)
    assert "a.prompt:10:14:" in broken
    assert "qestion" in broken
    assert "version 1" in desk("create", NAME, desk.file(FIRST))

    say("Who wrote it cannot approve it, and without an approval it is not activated.")
    assert "needs the role prompt_approver" in desk("review", NAME, "1", "--approve", code=69)
    login("prompt_approver")
    assert "needs 1 approvals as it is now, and has 0" in desk("activate", NAME, "1", code=1)
    desk("review", NAME, "1", "--approve", "--reason", "reads well")
    desk("activate", NAME, "1")


def _use(desk: Desk, login: Login, say: Say) -> None:
    say(
        "Services use it, and the next version asks for the grade. The gate finds in real inputs that not all send one."
    )
    for question, grade in (("Why is 3 < 4?", "7"), ("What is {{ x }}?", None), ("Why?", "8")):
        variables = {"question": question} | ({"grade": grade} if grade else {})
        desk.executed(NAME, 1, variables, f"Give a hint, not the answer.\nQuestion: {question}\n")
    login("prompt_editor")
    desk("create", NAME, desk.file(FAULTY))
    login("prompt_approver")
    desk("review", NAME, "2", "--approve")
    gate = desk("activate", NAME, "2", code=1)
    assert "1 fail, 0 stay the same, 2 change" in gate
    assert "missing: grade" in gate
    assert "+Question: Why is 3 < 4? (7)" in gate
    assert "1 of 3 real inputs cannot be rendered" in gate
    assert desk.production(NAME) == 1


def _fix(desk: Desk, login: Login, say: Say) -> None:
    say("The input that failed is kept as a case, and the prompt is fixed, approved and activated.")
    login("prompt_case_editor")
    ((execution,),) = desk.query("SELECT id::text FROM prompt_executions WHERE NOT input_variables ? 'grade'")
    desk("cases", NAME, "--from-execution", execution, "--note", "without a grade")
    login("prompt_editor")
    desk("create", NAME, desk.file(FIXED))
    login("prompt_approver")
    desk("review", NAME, "3", "--approve", "--reason", "grade is optional now")
    gate = desk("activate", NAME, "3")
    assert "over 1 saved case 0 fail" in gate
    assert "0 fail, 1 stay the same, 2 change" in gate
    assert "version 3 is in production now, was version 1" in gate


def _spread(desk: Desk, say: Say) -> None:
    say("It spreads: until every service serves it, the command says which does not.")
    waiting = ("activate", NAME, "3", "--inputs", "0", "--wait", "--timeout")
    assert "tutor has published nothing since" in desk(*waiting, "0.1", code=1)
    desk.executed(NAME, 3, {"question": "Why?"})
    assert "version 3 is served everywhere" in desk(*waiting, "5")


def _go_back(desk: Desk, say: Say) -> None:
    say("Hints became too long. It is rolled back, without another approval, as it had one.")
    back = desk("rollback", NAME, "--reason", "hints too long")
    assert "version 1 is in production now, was version 3" in back
    assert desk.production(NAME) == 1

    say("What was served before that? And who did all this?")
    history = desk.objects("history", NAME, "--limit", "0")
    (released,) = (each["at"] for each in history if (each["action"], each["version"]) == ("activated", 3))
    explained = desk("explain", NAME, "--at", released)
    assert f"{NAME} at" in explained
    assert "version 3, chosen by production" in explained
    assert "version 1, chosen by production" in desk("explain", NAME)
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
    assert (history[0]["who"], history[0]["reason"]) == (
        "prompt_approver_text_reader_login",
        "hints too long",
    )
    assert "is whole\n" in desk("history", NAME)


def logins(desk: Desk, change: Callable[[str], None]) -> Login:
    """`change` is given the URL of the role's login. Approvers may read texts; so may who keeps cases."""
    urls = {
        "prompt_editor": desk.as_role("prompt_editor"),
        "prompt_approver": desk.as_role("prompt_approver", "prompt_text_reader"),
        "prompt_case_editor": desk.as_role("prompt_case_editor", "prompt_text_reader"),
    }
    return lambda role: change(urls[role])


class Aloud(Desk):
    """Says each command and what it prints; those whose JSON is only looked at are not said."""

    def __init__(self, database: str, folder: Path) -> None:
        self.database, self.folder = database, folder

    def __call__(self, *arguments: str, code: int = 0) -> str:
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(printed):
            found = command(["prompts", *arguments])
        if "--json" not in arguments:
            shown = shlex.join(arguments).replace(f"{self.folder}/", "")
            print(f"$ prompt-worker prompts {shown}\n{printed.getvalue()}", flush=True)
        assert found == code, (arguments, found, code)
        return printed.getvalue()


def main() -> int:
    started = time.monotonic()
    with Postgres() as postgres, TemporaryDirectory(prefix="story-") as folder:
        engine = connect(postgres.url, application_name="story")
        migrate(engine, lambda _: None)
        engine.dispose()
        os.environ["DATABASE_URL"] = postgres.url
        desk = Aloud(postgres.url, Path(folder))
        try:
            tell(desk, logins(desk, _become), lambda sentence: print(f"# {sentence}\n"))
        except AssertionError as error:
            print(f"THE STORY IS WRONG: {error}")
            return 1
    print(f"# {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 0


def _become(url: str) -> None:
    os.environ["DATABASE_URL"] = url


if __name__ == "__main__":
    sys.exit(main())
