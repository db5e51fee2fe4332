"""Versions are saved checked, once and under numbers of their own; folders and exports bring them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from prompt_worker.commands.database import open_session
from prompt_worker.prompts.authoring.acting import Actor
from prompt_worker.prompts.authoring.versions.planning import Candidate
from prompt_worker.prompts.authoring.versions.saving import propose, save
from prompt_worker.prompts.content import make_content
from prompt_worker.prompts.folder.lock import read_lock
from tests.support.authoring import Desk
from tests.support.documents import REPOSITORY
from tests.support.prompts import EXPENSIVE

pytestmark = [pytest.mark.embedded_only, pytest.mark.usefixtures("warm_checks")]

EMOJI = "\N{GRINNING FACE}"
CHAT = """\
+++
variables = '''["question", "turns"]'''
output_schema = '''
{"type": "object", "default": null}
'''

[model_config]
temperature = 0.20
top = 1e3

[[messages]]
role = "system"
content = "Be kind."

[[messages]]
history = "turns"

[[messages]]
role = "user"
content = "{{ question }}"

[translations]
de = [{ role = "user", content = "Frage: {{ question }}" }]
+++
"""


@pytest.mark.parametrize("name", ["tutor/deep hints", f"{EMOJI}/é", "x" * 255, "3"])
def test_odd_name_is_saved_shown_and_released(desk: Desk, name: str) -> None:
    desk.release(name, "Hi\n")
    desk.create(name, "Hi you\n")
    assert name in desk("list")
    assert desk("show", name).startswith(f"{name}, version 1\n")
    assert "+Hi you" in desk("diff", name, code=1)
    assert desk("activate", name, "2").count("version 2") == 1
    desk("label", name, "beta", "1")
    desk("rollback", name)
    assert "chosen by production" in desk("explain", name)
    assert desk("explain", name, "--label", "beta").startswith(f"{name} now: version 1")


@pytest.mark.parametrize("name", [EMOJI * 300, "a@2", "../a", "", "a\nb", "/a", "\udcff"])
def test_bad_name_is_refused_with_a_sentence(desk: Desk, name: str) -> None:
    assert "no name of a prompt" in desk("create", name, desk.file("Hi"), code=64)


def test_version_is_saved_once(desk: Desk) -> None:
    assert [desk.create("a", text) for text in ("one", "two", "one", "two", "three")] == [1, 2, 1, 2, 3]
    assert "version 1 has this content" in desk("create", "a", desk.file("one"))


def test_chat_with_everything_comes_back_as_it_was(desk: Desk) -> None:
    desk.create("chat", CHAT)
    written = desk("show", "chat", "--file")
    assert desk.create("chat", written) == 1
    (shown,) = desk.objects("show", "chat")
    content = shown["version"]["content"]
    assert content["messages"][1] == {"history": "turns"}
    assert content["output_schema"] == {"type": "object", "default": None}
    assert content["translations"] == {"de": [{"role": "user", "content": "Frage: {{ question }}"}]}
    assert "Frage: {{ question }}" in desk("show", "chat")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x" * 1_000_000, "1,000,000 bytes: at most 64,000"),
        ("x" * 1_100_000, "at most 1,000,000 are allowed in a file"),
        ('\n{"a": {{"b"', ":2:7: {{ followed by a quote looks like JSON"),
        ("{{ ''.__class__ }}", "a.prompt:1:"),
        ('{% include "nowhere" %}', "includes nowhere, which does not exist"),
        ('{% include "a" %}', "includes form a circle"),
        (EXPENSIVE["a doubled text"], "makes a text of more than 4,000,000 characters"),
        ("+++\nmessages = []\n+++\n", "a chat has at least one message"),
    ],
)
def test_version_with_a_fault_is_not_saved(desk: Desk, text: str, says: str) -> None:
    path = desk.file(text)
    # What is no prompt file is refused before the registry is asked.
    printed = desk("create", "a", path, code=65 if "in a file" in says or "a chat" in says else 1)
    assert says in printed
    assert desk.query("SELECT count(*) FROM prompt_templates WHERE name = 'a'") == [(0,)]


def test_many_variables_are_saved(desk: Desk) -> None:
    names = json.dumps([f"v{at}" for at in range(10_000)])
    assert desk.create("many", f"+++\nvariables = '{names}'\n+++\n{{{{ v7 }}}}") == 1


def test_fragment_that_breaks_what_includes_it_is_not_saved(desk: Desk) -> None:
    desk.release("fragments/tone", "Be kind.")
    desk.release("tutor/hints", "+++\nvariables = ['q']\n+++\n{% include 'fragments/tone' %} {{ q }}")
    assert "tutor/hints@1, which includes fragments/tone\n" in desk(
        "create", "fragments/tone", desk.file("Be brief.")
    )
    printed = desk("create", "fragments/tone", desk.file("{{ mood }}"), code=1)
    assert "FAULT tutor/hints@1, which includes fragments/tone" in printed
    assert "it reads mood" in printed
    assert "included by  tutor/hints" in desk("show", "fragments/tone")


def test_twenty_saved_at_once_get_twenty_numbers(desk: Desk) -> None:
    def saved(text: str) -> int:
        session = open_session("prompts")
        candidate = Candidate(name="a/prompt", content=make_content(text, None, {}))
        (planned,) = save(session, Actor("test"), propose(session, [candidate]))
        session.engine.dispose()
        return planned.version

    with ThreadPoolExecutor(20) as threads:
        assert sorted(threads.map(saved, [f"text {at}" for at in range(20)])) == list(range(1, 21))
        # The same text twenty times is one version.
        assert set(threads.map(saved, ["the same"] * 20)) == {21}
    assert desk.query("SELECT count(*) FROM prompt_templates WHERE name = 'a/prompt'") == [(21,)]
    assert "is whole" in desk("history")


def test_edit_saves_what_the_editor_leaves(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.release("a", "Hi\n")
    monkeypatch.setenv("EDITOR", "true")
    assert desk("edit", "a") == "nothing changed, nothing saved\n"
    monkeypatch.setenv("EDITOR", "sed -i s/Hi/Hello/")
    assert "changed  a: saved as version 2, after 1" in desk("edit", "a")
    monkeypatch.setenv("EDITOR", "sed -i 's/Hi/{{ broken/'")
    printed = desk("edit", "a", "1", code=1)
    (kept,) = (
        word.rstrip(":")
        for word in printed.split()
        if word.startswith("/") and word.rstrip(":").endswith(".prompt")
    )
    assert Path(kept).read_text().endswith("{{ broken\n")
    Path(kept).unlink()
    monkeypatch.setenv("EDITOR", "false")
    assert "exited with 1: nothing was saved" in desk("edit", "a", code=65)
    monkeypatch.delenv("EDITOR")
    assert "EDITOR is not set" in desk("edit", "a", code=65)


def test_push_saves_a_folder_once_and_numbers_its_lock(desk: Desk) -> None:
    folder = desk.folder / "prompts"
    desk.file("Be kind.", "prompts/fragments/tone")
    desk.file('+++\ncategory = "tutoring"\n+++\n{% include "fragments/tone" %}', "prompts/tutor/hints")
    assert "becomes version 1" in desk("plan", str(folder))
    assert desk.query("SELECT count(*) FROM prompt_templates WHERE name LIKE 'tutor%%'") == [(0,)]
    desk("push", str(folder))
    before = desk.query("SELECT count(*), max(revision) FROM prompt_templates, prompt_registry")
    desk("push", str(folder))
    assert desk.query("SELECT count(*), max(revision) FROM prompt_templates, prompt_registry") == before
    # Nothing of it is in production.
    assert desk.production("tutor/hints") is None
    desk("activate", "fragments/tone", "1")
    desk("activate", "tutor/hints", "1")
    desk.create("tutor/hints", "by hand")
    desk.file("Changed.", "prompts/tutor/hints")
    assert "+Changed." in desk("plan", str(folder), "--diff")
    desk("push", str(folder))
    lock = read_lock(folder)
    assert lock is not None
    assert {key: locked.version for key, locked in lock.items()} == {"fragments/tone": 1, "tutor/hints": 3}
    assert desk("check", str(folder)) == "2 prompts are valid\n"


def test_push_of_a_folder_with_a_fault_saves_nothing(desk: Desk) -> None:
    desk.file("fine", "prompts/a")
    desk.file("\n{{ broken", "prompts/b")
    desk.file("one", "prompts/a@7")
    printed = desk("push", str(desk.folder / "prompts"), code=1)
    assert "prompts/b.prompt:2:" in printed
    assert "prompts/a@7.prompt: version 7 of the registry is another text" in printed
    assert desk.query("SELECT count(*) FROM prompt_templates WHERE name IN ('a', 'b')") == [(0,)]
    assert "is no folder of prompts" in desk("push", str(desk.folder / "none"), code=66)


def test_seeds_of_the_examples_are_what_is_in_production(desk: Desk) -> None:
    assert desk("plan", str(REPOSITORY / "tests" / "examples" / "prompts")) == "3 as in production\n"


def test_pull_writes_what_is_in_production_and_keeps_changes(desk: Desk) -> None:
    folder = desk.folder / "pulled"
    desk.release("tutor/hints", "+++\ndescription = 'Hints.'\n+++\nHi\n")
    assert "written  tutor/hints\n" in desk("pull", str(folder))
    assert desk("check", str(folder)) == "4 prompts are valid\n"
    assert desk("pull", str(folder)) == "4 as they were\n"
    assert desk("plan", str(folder)) == "4 as in production\n"
    path = folder / "tutor" / "hints.prompt"
    path.write_text("mine\n")
    desk.release("tutor/hints", "Hello\n")
    assert "conflict tutor/hints: it was changed here" in desk("pull", str(folder), code=1)
    assert path.read_text() == "mine\n"
    desk("pull", str(folder), "tutor/hints", "--force")
    assert path.read_text().endswith("+++\nHello\n")
    assert "no prompt is named none" in desk("pull", str(folder), "none", code=66)


@pytest.mark.parametrize(
    "name", ["../evil", "/tmp/evil", "a/../../evil", ".hidden", "a@3", "a\nb", EMOJI * 255]
)
def test_pull_writes_no_file_outside_its_folder(desk: Desk, name: str) -> None:
    desk.query(
        "INSERT INTO prompt_templates (name, template_text, is_active) VALUES (%s, 'evil', true)", name
    )
    folder = desk.folder / "deep" / "pulled"
    code = 74 if name.startswith(EMOJI) else 1
    printed = desk("pull", str(folder), code=code)
    assert "refused" in printed or "File name too long" in printed
    assert not list(desk.folder.rglob("*evil*"))


def test_export_is_imported_elsewhere_after_its_plan(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, empty_database: str
) -> None:
    desk.release("fragments/tone", "Be kind.")
    desk.release("chat", CHAT)
    desk.create("chat", "not in production")
    desk.release("hints", '{% include "fragments/tone" %}')
    exported = desk.folder / "all.json"
    exported.write_text(desk("export"))
    one = desk.folder / "one.json"
    one.write_text(desk("export", "chat@2"))
    monkeypatch.setenv("DATABASE_URL", empty_database)
    from prompt_worker.commands.cli import main

    assert main(["migrate"]) == 0
    printed = desk("import", str(exported))
    assert "new      hints: becomes version 1" in printed
    assert "dry run" in printed
    assert "hints" not in desk("list")
    desk("import", str(exported), "--yes")
    assert desk("import", str(exported), "--yes").count("has this content, and is not in production") == 3
    assert "changed  chat: becomes version 2, after 1" in desk("import", str(one))
    (chat,) = (each for each in desk.objects("list") if each["name"] == "chat")
    assert (chat["production"], chat["newest"]) == (None, 1)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text[: len(text) // 2], "not whole"),
        (lambda text: text.replace("Be kind.", "Be rude."), "is not what was exported"),
        (lambda text: text.replace('"format": 1', '"format": 2'), "update prompt-worker"),
        (lambda _: "[]", "is no export of prompts"),
        (lambda _: "", "not whole"),
    ],
)
def test_damaged_export_is_refused(desk: Desk, change: object, says: str) -> None:
    desk.release("a", "Be kind.")
    path = desk.folder / "all.json"
    path.write_text(change(desk("export")))  # type: ignore[operator]
    assert says in desk("import", str(path), "--yes", code=65)
    assert "cannot read" in desk("import", str(desk.folder / "none"), code=66)


def test_row_that_was_written_by_hand_is_listed_and_explained(desk: Desk) -> None:
    desk.query(
        "INSERT INTO prompt_templates (name, template_text, variables, is_active) VALUES ('odd', 'x', '[1, {}]', true)"
    )
    desk.query("INSERT INTO prompt_templates (name, template_text, variables) VALUES ('null', 'x', NULL)")
    assert "odd" in desk("list")
    assert "its content cannot be read" in desk("show", "odd")
    assert "cannot be read" in desk("activate", "odd", "1", code=65)
    assert "cannot be read" in desk("export", code=65)
    assert "refused  odd" in desk("pull", str(desk.folder / "pulled"), code=1)
    assert desk("show", "null").startswith("null, version 1")
    desk("activate", "null", "1")


def test_version_of_the_registry_is_rendered_byte_for_byte(desk: Desk) -> None:
    desk.release("tone", "Be {{ mood }}.\n")
    desk.release("fragments/deep", "{% include 'tone' %}")
    desk.release("hints", "{% include 'fragments/deep' %}{{ q }}\n\n")
    desk.create("hints", "{% include 'fragments/deep@1' %} new {{ q }}")
    given = ("--var", "mood=kind", "--var", "q={{ x }} 3 < 4")
    assert desk("render", "hints", *given) == "Be kind.\n{{ x }} 3 < 4\n\n"
    assert desk("render", "hints", "--version", "2", *given) == "Be kind.\n new {{ x }} 3 < 4"
    assert "missing: mood, q" in desk("render", "hints", code=64)
    desk.create("chat", CHAT)
    assert '"Frage: Warum?"' in desk("render", "chat", "--language", "de-AT", "--var", "question=Warum?")
    assert "no prompt is named none" in desk("render", "none", code=66)


@pytest.mark.parametrize("part", ["description = 'x'\n+++\na\0b", 'description = "x\\u0000"\n+++\na'])
def test_nul_character_is_refused_with_a_sentence(desk: Desk, part: str) -> None:
    assert "NUL" in desk("create", "a", desk.file(f"+++\n{part}"), code=65)
