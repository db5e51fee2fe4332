"""The wing's README in its order: its file is written, its commands and examples run."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from prompt_worker.commands.cli import main
from tests.support.documents import REPOSITORY, blocks, prompt_worker_commands
from tests.support.registry import document, version

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
    put_live(tmp_path / "registry.json")
    monkeypatch.setenv("PROMPT_REGISTRY", f"file://{tmp_path}/registry.json")
    monkeypatch.setenv("PROMPT_LAST_GOOD", str(tmp_path / "last-good"))
    results = doctest.testfile(
        str(README),
        module_relative=False,
        encoding="utf-8",
        globs={"call_the_model": lambda text, **config: "ok"},
    )
    assert (results.failed, results.attempted > 20) == (0, True)


def put_live(path: Path) -> None:
    """What an owner has made of the prompt by then."""
    text = "{% if interests %}{{ interests | join }}{% endif %}Question: {{ question }}"
    about = {"labels": {"canary": 6}, "rules": [{"when": {"grade": {"from": 5, "to": 8}}, "version": 4}]}
    versions = [
        version("tutor/hints", at, f"{at} {text}", active=at == 5, translations={"de": f"Frage: {text}"})
        for at in (4, 5, 6)
    ]
    path.write_bytes(document(*versions, revision=812, names={"tutor/hints": about}))
