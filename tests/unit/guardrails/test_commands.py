"""The commands: what a text triggers, how well labelled texts are judged, which evasions are seen through."""

from pathlib import Path

import pytest

from prompt_worker.commands.cli import main
from prompt_worker.commands.guardrails.tables import print_guardrails
from prompt_worker.guardrails.defaults import DEFAULT_GUARDRAILS
from prompt_worker.guardrails.guardrail import Guardrail


def run(*arguments: str) -> int:
    return main(["guardrails", *arguments])


def test_test_shows_what_a_text_triggers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("test", "my SSN is 536-90-4399 [bold]") == 1
    shown = capsys.readouterr().out
    assert "US_SSN" in shown
    assert "outcome: block" in shown
    assert "[bold]" in shown
    assert run("test", "what is 2 + 2?") == 0


def test_guardrails_come_from_a_file(tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_text('[{"name": "fruit", "type": "content_policy", "config": {"words": ["pear"]}}]')
    assert run("test", "a pear", "--guardrails", str(own)) == 1
    assert run("test", "536-90-4399", "--guardrails", str(own)) == 0


def test_list_says_which_cannot_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_guardrails(DEFAULT_GUARDRAILS) == 0
    assert print_guardrails([*DEFAULT_GUARDRAILS, Guardrail("broken", "content_policy", {})]) == 1
    assert "broken" in capsys.readouterr().out
