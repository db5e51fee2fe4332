"""The commands: what a text triggers, and what is listed on a terminal, when piped and as JSON."""

import json
from pathlib import Path

import pytest

from prompt_worker.commands.cli import main
from prompt_worker.commands.guardrails.tables import print_guardrails
from prompt_worker.guardrails.defaults import DEFAULT_GUARDRAILS
from prompt_worker.guardrails.guardrail import Guardrail

BROKEN = Guardrail("broken", "content_policy", {})


def run(*arguments: str) -> int:
    return main(["guardrails", *arguments])


def test_test_command_shows_what_a_text_triggers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("test", "my SSN is 536-90-4399 [bold]") == 1
    shown = capsys.readouterr().out
    assert "US_SSN" in shown
    assert "outcome: block" in shown
    assert "[bold]" in shown
    assert run("test", "what is 2 + 2?") == 0


def test_test_command_reads_guardrails_from_a_file(tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_text('[{"name": "fruit", "type": "content_policy", "config": {"words": ["pear"]}}]')
    assert run("test", "a pear", "--guardrails", str(own)) == 1
    assert run("test", "536-90-4399", "--guardrails", str(own)) == 0


def test_list_says_which_guardrail_is_unusable(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_guardrails(DEFAULT_GUARDRAILS) == 0
    assert print_guardrails([*DEFAULT_GUARDRAILS, BROKEN]) == 1
    assert "broken" in capsys.readouterr().out


def test_piped_list_is_a_line_for_each_guardrail(capsys: pytest.CaptureFixture[str]) -> None:
    scoped = Guardrail("a\tb", "pii_detection", {}, applies_to_templates=("t1", "t2"), action="log")
    print_guardrails([scoped, BROKEN])
    names, first, second = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert names == ["name", "type", "severity", "action", "templates", "categories", "state"]
    assert first == ["a b", "pii_detection", "high", "log", "t1, t2", "all", "active"]
    assert second[-1].startswith("guardrail 'broken': words")


def test_list_as_json_is_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_guardrails([DEFAULT_GUARDRAILS[0], BROKEN], as_json=True) == 1
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {
        "name": "pii_detection_basic",
        "type": "pii_detection",
        "severity": "critical",
        "action": "block",
        "templates": [],
        "categories": [],
        "is_active": True,
        "unusable": None,
    }
    assert second["unusable"].startswith("guardrail 'broken': words")


def test_list_on_a_terminal_is_a_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    print_guardrails([Guardrail("[bold]", "pii_detection", {}, is_active=False)])
    shown = capsys.readouterr().out
    assert "[bold]" in shown
    assert "inactive" in shown
    assert "┃" in shown
