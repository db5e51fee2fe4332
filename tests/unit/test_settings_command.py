"""`prompt-worker settings` lists what the code reads, and deploy/settings.md is what it prints."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from prompt_worker.commands.cli import main
from prompt_worker.commands.settings import groups
from prompt_worker.platform.failures import EXIT_CODES

REPOSITORY = Path(__file__).parents[2]
SOURCES = "".join(
    path.read_text(encoding="utf-8") for path in (REPOSITORY / "worker" / "prompt_worker").rglob("*.py")
)


def test_settings_document_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "--markdown"]) == 0
    document = (REPOSITORY / "deploy" / "settings.md").read_text(encoding="utf-8")
    assert document == capsys.readouterr().out, (
        "make it: prompt-worker settings --markdown > deploy/settings.md"
    )


def test_every_declared_setting_is_listed_and_described() -> None:
    listed = [setting for group in groups() for setting in group.settings]
    declared = set(re.findall(r'field\(\s*name="([A-Z][A-Z_]+)"', SOURCES))
    assert {setting.name for setting in listed} == declared
    assert all(setting.meaning and setting.default for setting in listed)
    assert all(group.commands and group.title for group in groups())


def test_settings_as_json_have_names_defaults_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    settings = {setting["name"]: setting for group in listed["groups"] for setting in group["settings"]}
    assert settings["PROMPT_WORKER_BATCH_MESSAGES"]["default"] == "500"
    assert settings["DATABASE_URL"]["default"] == "required"
    assert "`" not in json.dumps(listed)
    assert listed["exit_codes"] == {str(code): meaning for code, meaning in EXIT_CODES.items()}


def test_settings_table_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings"]) == 0
    shown = capsys.readouterr().out
    assert all(setting.name in shown for group in groups() for setting in group.settings)
    assert all(re.search(rf"^{code}\b", shown, re.MULTILINE) for code in EXIT_CODES)


def test_exit_codes_of_errors_are_all_documented() -> None:
    assert set(map(int, re.findall(r"exit_code = (\d+)", SOURCES))) <= EXIT_CODES.keys()
