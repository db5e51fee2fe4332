"""The guardrails' README: its examples print what it says, its links lead to files, its types are those that exist."""

import doctest
import re
from pathlib import Path

import prompt_worker.guardrails
from prompt_worker.guardrails.registry import TYPES

README = Path(prompt_worker.guardrails.__file__).parent / "README.md"
TEXT = README.read_text(encoding="utf-8")


def test_readme_examples_print_what_it_says() -> None:
    results = doctest.testfile(str(README), module_relative=False, encoding="utf-8")
    assert results.attempted >= 6
    assert results.failed == 0


def test_readme_links_lead_to_files() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if not link.startswith("https://")]
    assert links
    assert [link for link in links if not (README.parent / link).exists()] == []


def test_readme_lists_every_type() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)) == set(TYPES)
