"""`*.prompt` files: their form, what is refused and in which line, and the lock beside them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from prompt_worker import PromptTemplateService
from prompt_worker.prompts.content import Message
from prompt_worker.prompts.errors import TemplateFaultError
from prompt_worker.prompts.folder.checking import Checked, check
from prompt_worker.prompts.folder.file import read_file
from prompt_worker.prompts.folder.lock import read_lock
from prompt_worker.prompts.folder.reading import prompt_files
from tests.support.prompts import write_prompts


def test_file_is_front_matter_and_text() -> None:
    file = read_file(
        b'+++\ndescription = "d"\ncategory = "c"\nvariables = ["a"]\n[model_config]\ntemperature = 0.5\n'
        b'[output_schema]\ntype = "object"\n+++\n\n text {{ a }}\n\n'
    )
    assert (file.front.description, file.front.category) == ("d", "c")
    content = file.content
    assert (content.template_text, content.variables) == ("\n text {{ a }}\n\n", ["a"])
    assert (content.model_config, content.output_schema) == ({"temperature": 0.5}, {"type": "object"})


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"no front matter\n", "no front matter\n"),
        (b"", ""),
        (b"+++\n+++\n", ""),
        (b"+++\n+++", ""),
        (b"+++\n+++\n+++\n", "+++\n"),
        (b"a\r\nb\rc", "a\nb\nc"),
        (b"\xef\xbb\xbf+++\r\nvariables = []\r\n+++\r\ntext", "text"),
        ("é 😀".encode(), "é 😀"),
        (b"++++\nx", "++++\nx"),
    ],
)
def test_text_is_what_follows_the_front_matter(raw: bytes, text: str) -> None:
    assert read_file(raw).content.template_text == text


def test_chat_and_translations_are_in_the_front_matter() -> None:
    file = read_file(
        b"+++\n[[messages]]\nrole = 'system'\ncontent = '''\nBe {{ tone }}.\n'''\n[[messages]]\nhistory = 'turns'\n"
        b"[[translations.de]]\nrole = 'system'\ncontent = 'Sei {{ tone }}.'\n+++\n"
    )
    assert file.content.messages == (
        Message(role="system", content="Be {{ tone }}.\n"),
        Message(history="turns"),
    )
    assert file.content.translations == {"de": (Message(role="system", content="Sei {{ tone }}."),)}
    assert file.content.template_text == "Be {{ tone }}.\n"


@pytest.mark.parametrize(
    ("raw", "line", "column", "said"),
    [
        (b"+++\nvariables = []\n", 1, 1, "no end"),
        (b"+++\na = 1\nb = [secret\n+++\n", 3, None, "not valid TOML"),
        (b"+++\ncategory = 1\n+++\n", 2, 1, "expected `str | null`, got `int`"),
        (b"+++\n\nmodel = 'x'\n+++\n", 3, 1, "unknown field `model`"),
        (b"+++\n[model_config]\nday = 2026-01-01\n+++\n", 2, 2, "model_config holds a date"),
        (b"+++\n[model_config]\nx = nan\n+++\n", 2, 2, "model_config holds a date, or something"),
        (b"+++\n[[messages]]\nrole = 'secret'\ncontent = ''\n+++\n", 2, 3, "the roles are"),
        (b"+++\n[[messages]]\nrole = 'user'\n+++\n", 2, 3, "expected role and content, or history"),
        (b"+++\nmessages = []\n+++\n", 2, 1, "at least one message"),
        (b"+++\nmessages = [{role = 'user', content = 'x'}]\n+++\ntext", 4, 1, "nothing may follow"),
        (b"a\nb\xff", 2, 1, "not UTF-8"),
        (b"x" * 2_000_000, 0, 0, "at most 1,000,000"),
        (b"+++\na = " + b"[" * 5000 + b"]" * 5000 + b"\n+++\n", 1, 1, "nested too deeply"),
    ],
)
def test_file_of_another_form_is_refused_with_its_line(
    raw: bytes, line: int, column: int | None, said: str
) -> None:
    with pytest.raises(TemplateFaultError) as caught:
        read_file(raw)
    fault = caught.value.fault
    assert (fault.line, fault.column if column is not None else None) == (line, column)
    assert said in fault.message
    assert "secret" not in str(caught.value)


LONG_KEYS = [
    "variables" + ".a" * 450_000 + " = 1",
    "[variables" + ".a" * 5_000 + "]",
    "variables = {a=" * 3_000,
]


@pytest.mark.parametrize("front", LONG_KEYS, ids=["dotted key", "table", "inline tables"])
def test_deep_front_matter_is_refused_at_once(front: str) -> None:
    started = time.thread_time()
    with pytest.raises(TemplateFaultError):
        read_file(f"+++\n{front}\n+++\n".encode())
    assert time.thread_time() - started < 0.5


# --- the check ---


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.prompt").write_text(text)


def lines(checked: Checked, folder: Path) -> list[str]:
    return [str(fault).removeprefix(f"{folder}/") for fault in checked.faults]


def versions(folder: Path) -> dict[str, int]:
    return {name: locked.version for name, locked in (read_lock(folder) or {}).items()}


def test_each_fault_is_a_line_with_file_line_and_column(tmp_path: Path) -> None:
    write(
        tmp_path,
        fine="+++\nvariables = ['a']\n+++\n{{ a }}",
        json='+++\nvariables = []\n+++\nfirst\n  {"a": {{"b": 1}}}\n',
        unknown="+++\nvariables = ['a']\n+++\n{{ a }}\n{{ b }}\n",
        include='{% include "gone" %}',
        chat="+++\n[[messages]]\nrole = 'user'\ncontent = '''\nHello\n {{ x y }}'''\n+++\n",
        german="+++\n[translations]\nde = 'a {{ x y }}'\n+++\ntext",
        toml="+++\nvariables = [\n+++\n",
    )
    faults = lines(check(tmp_path, update=True), tmp_path)
    assert [fault.split(": ")[0] for fault in faults] == [
        "chat.prompt:6:7",
        "german.prompt:3:14",
        "include.prompt:1:4",
        "json.prompt:5:9",
        "toml.prompt:2:1",
        "unknown.prompt:5:4",
    ]
    assert "{% raw %}" in faults[3]
    assert not (tmp_path / "prompts.lock").exists()


def test_update_gives_new_and_changed_prompts_the_next_version(tmp_path: Path) -> None:
    write(tmp_path, a="one", b="one")
    assert lines(check(tmp_path), tmp_path) == ["prompts.lock: there is none: run it with --update"]
    assert check(tmp_path, update=True) == Checked(2, [], 2)
    assert check(tmp_path) == Checked(2, [], 0)
    write(tmp_path, a="two", c="one")
    assert lines(check(tmp_path), tmp_path) == [
        "a.prompt: it is not version 1 of prompts.lock any more: for a new version run it with --update",
        "c.prompt: it is not in prompts.lock: run it with --update",
    ]
    assert check(tmp_path, update=True).changed == 2
    assert versions(tmp_path) == {"a": 2, "b": 1, "c": 1}
    assert check(tmp_path, update=True).changed == 0


def test_number_of_a_removed_prompt_is_never_used_again(tmp_path: Path) -> None:
    write(tmp_path, a="one")
    check(tmp_path, update=True)
    (tmp_path / "a.prompt").unlink()
    assert "a has no file: restore it" in lines(check(tmp_path), tmp_path)[0]
    assert check(tmp_path, update=True).changed == 1
    assert check(tmp_path).faults == []
    write(tmp_path, a="one")
    check(tmp_path, update=True)
    assert versions(tmp_path) == {"a": 2}


def test_older_version_beside_the_active_one_never_changes(tmp_path: Path) -> None:
    write_prompts(tmp_path, {"a@3": "three", "a@1": "one", "a": "four"})
    assert versions(tmp_path) == {"a": 4, "a@1": 1, "a@3": 3}
    (tmp_path / "a@3.prompt").write_text("changed")
    for update in (False, True):
        (fault,) = lines(check(tmp_path, update=update), tmp_path)
        assert fault == "a@3.prompt: version 3 was served and never changes: restore the file"
    assert versions(tmp_path) == {"a": 4, "a@1": 1, "a@3": 3}


def test_active_version_may_have_a_file_as_an_older_one(tmp_path: Path) -> None:
    """As whoever is about to change it makes one."""
    write_prompts(tmp_path, {"a": "one"})
    write_prompts(tmp_path, {"a@1": "one"})
    prompts = PromptTemplateService.offline(tmp_path)
    assert [prompts.get("a", version=version).version for version in (None, 1)] == [1, 1]
    write_prompts(tmp_path, {"a": "two"})
    prompts = PromptTemplateService.offline(tmp_path)
    assert [prompts.get("a", version=version).render().text for version in (None, 1, 2)] == [
        "two",
        "one",
        "two",
    ]
    write(tmp_path, **{"a@2": "three"})
    for update in (False, True):
        assert (
            "version 2 is the active one, and differs" in lines(check(tmp_path, update=update), tmp_path)[-1]
        )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a@x", "@ is only for a version"),
        ("a@0", "@ is only for a version"),
        ("/".join(["n" * 99] * 3), "has 299 characters: at most 255"),
    ],
)
def test_name_that_no_prompt_can_have_is_a_fault(tmp_path: Path, name: str, said: str) -> None:
    path = tmp_path / f"{name}.prompt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    assert said in lines(check(tmp_path), tmp_path)[0]


def test_names_have_slashes_and_letters_of_every_kind(tmp_path: Path) -> None:
    names = ["😀", "tutor/hints", "tutor/deep/er", 'quo"te', "back\\slash", "é", "a.b", "with space"]
    write_prompts(tmp_path, dict.fromkeys(names, "x") | {".hidden/x": "{{ broken"})
    # As macOS stores the accent.
    (tmp_path / "\u0065\u0301x.prompt").write_text("x")
    check(tmp_path, update=True)
    assert versions(tmp_path).keys() == {*names, "\u00e9x"}
    assert {named.name for named in prompt_files(tmp_path)} == {*names, "\u00e9x"}


def test_two_files_of_one_name_are_a_fault(tmp_path: Path) -> None:
    for name in ("\u0065\u0301", "\u00e9"):
        (tmp_path / f"{name}.prompt").write_text(name)
    (fault,) = [line for line in lines(check(tmp_path), tmp_path) if "lock" not in line]
    assert "another file has the same name" in fault
