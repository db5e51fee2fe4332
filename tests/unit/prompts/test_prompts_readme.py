"""The wing's README in its order: its file is written, its commands and examples run."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from prompt_worker.commands.cli import main
from tests.support.documents import REPOSITORY, blocks, prompt_worker_commands

README = REPOSITORY / "worker" / "prompt_worker" / "prompts" / "README.md"


def test_examples_of_the_readme_run_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (file,) = (block.text for block in blocks(README) if block.language == "jinja")
    for name, text in (("tutor/hints", file), ("fragments/tone", "Be kind, and brief.\n")):
        path = tmp_path / "app" / "prompts" / f"{name}.prompt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    # The others work on a registry: tests/integration/test_prompts_readme_of_owners.py.
    commands = [
        command
        for block in blocks(README)
        for command in prompt_worker_commands(block)
        if command[1] == "check" or "--folder" in command
    ]
    assert [command[:2] for command in commands] == [
        ["prompts", name] for name in ("check", "check", "render")
    ]
    assert [main(command) for command in commands] == [0, 0, 0]
    assert "Question: Why?\nThe student likes football.\n" in capfd.readouterr().out
    results = doctest.testfile(
        str(README),
        module_relative=False,
        encoding="utf-8",
        globs={"call_the_model": lambda text, **config: "ok"},
    )
    assert (results.failed, results.attempted > 9) == (0, True)
