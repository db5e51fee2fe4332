"""`prompt-worker prompts check` and `render`, as a service's pipeline runs them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prompt_worker.commands.cli import main
from prompt_worker.prompts.folder import checking, child
from prompt_worker.prompts.folder.checking import check
from tests.support.prompts import EXPENSIVE, write_prompts

CHAT = "+++\n[[messages]]\nrole = 'user'\ncontent = 'Hi {{ name }} é'\n+++\n"


def test_check_prints_a_line_for_each_fault_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.prompt").write_text("fine")
    (tmp_path / "b.prompt").write_text('\n{"a": {{"b"')
    assert main(["prompts", "check", str(tmp_path)]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{tmp_path}/b.prompt:2:7: {{{{ followed by a quote looks like JSON")
    assert second == f"{tmp_path}/prompts.lock: there is none: run it with --update"
    (tmp_path / "b.prompt").write_text("fine")
    assert main(["prompts", "check", str(tmp_path), "--update"]) == 0
    assert capsys.readouterr().out == "2 prompts are valid, 2 lines of prompts.lock written\n"
    assert main(["prompts", "check", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "2 prompts are valid\n"


def test_check_of_no_folder_ends_with_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prompts", "check", str(tmp_path / "none")]) == 66
    assert capsys.readouterr().err == f"prompt-worker: {tmp_path}/none is no folder of prompts\n"
    assert check(tmp_path).prompts == 0


def test_expensive_templates_are_refused_and_the_others_checked(tmp_path: Path) -> None:
    names = [f"t{at:02}" for at in range(len(EXPENSIVE))]
    for name, text in zip(names, EXPENSIVE.values(), strict=True):
        (tmp_path / f"{name}.prompt").write_text(text)
    (tmp_path / "z.prompt").write_text("{{ broken")
    faulty = {fault.path.stem for fault in check(tmp_path).faults}
    assert faulty == {*names, "z", "prompts"}


@pytest.mark.parametrize("waste", ["while True: pass", "bytearray(2_000_000_000)", "9 ** 9 ** 9"])
@pytest.mark.parametrize("step", ["CompiledVersion", "read_named"])
def test_file_beyond_every_bound_ends_its_child_in_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, waste: str
) -> None:
    """As if the engine had none: the process's own limits hold, and the other files are checked."""
    for name in ("a", "expensive", "z"):
        (tmp_path / f"{name}.prompt").write_text(name)
    program = (
        "import sys, prompt_worker.prompts.folder.child as child\n"
        f"inner = child.{step}\n"
        "def wasteful(prompt, *rest):\n"
        "    if prompt.name == 'expensive':\n"
        f"        {waste}\n"
        "    return inner(prompt, *rest)\n"
        f"child.{step} = wasteful\n"
        "child.main()\n"
    )
    real = subprocess.run

    def run(command: list[str], **options: object) -> object:
        return real([sys.executable, "-c", program, *command[3:]], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(checking.subprocess, "run", run)
    started = time.process_time(), children_cpu()
    faults = [fault for fault in check(tmp_path).faults if fault.path.suffix == ".prompt"]
    used = time.process_time() - started[0] + children_cpu() - started[1]
    assert [fault.path.stem for fault in faults] == ["expensive"]
    assert "memory" in faults[0].fault.message
    # Two children start, each of which loads Python and the template engine.
    assert used < 1 + 2 * 0.6
    assert child.CPU_LIMIT < 1


def children_cpu() -> float:
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_render_prints_the_text_byte_for_byte(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    write_prompts(tmp_path, {"tutor/hints": "{{ a }}{% if b %}: {{ b | join(', ') }}{% endif %} é\n\n"})
    arguments = ["prompts", "render", "tutor/hints", "--folder", str(tmp_path), "--var", "a={{x}} = 3 < 4"]
    assert main(arguments) == 0
    assert capfdbinary.readouterr().out == "{{x}} = 3 < 4 é\n\n".encode()
    assert main([*arguments, "--json", 'b=["p", "q"]']) == 0
    assert capfdbinary.readouterr().out == "{{x}} = 3 < 4: p, q é\n\n".encode()


def test_render_prints_a_chat_as_json(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    (tmp_path / "chat.prompt").write_text(CHAT)
    assert main(["prompts", "render", "chat", "--folder", str(tmp_path), "--var", "name=Ada"]) == 0
    assert json.loads(capfdbinary.readouterr().out) == [{"role": "user", "content": "Hi Ada é"}]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["none"], 66, "no prompt is named none"),
        (["chat"], 64, "chat@1 cannot be rendered with these variables: missing: name"),
        (["chat", "--var", "nmae=secret"], 64, "missing: name; unexpected: nmae"),
        (["chat", "--var", "name"], 2, "expected NAME=VALUE"),
        (["chat", "--json", "name={"], 2, "the value of name is not JSON"),
        (["chat", "--version", "7", "--var", "name=x"], 66, "no version 7 any more"),
        (["broken"], 66, "broken is quarantined"),
    ],
)
def test_render_that_is_not_possible_ends_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    (tmp_path / "chat.prompt").write_text(CHAT)
    (tmp_path / "broken.prompt").write_text("{{ the words")
    try:
        found = main(["prompts", "render", *arguments, "--folder", str(tmp_path)])
    except SystemExit as usage:
        found = int(str(usage.code))
    printed = capsys.readouterr().err
    assert found == code
    assert said in printed
    assert "secret" not in printed
