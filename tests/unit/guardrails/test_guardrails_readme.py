"""The guardrails' README: its Python examples print what it says, its types are those that exist."""

import doctest
import re
from pathlib import Path

import prompt_worker.guardrails
from prompt_worker.guardrails.registry import TYPES

README = Path(prompt_worker.guardrails.__file__).parent / "README.md"


def test_readme_examples_print_what_it_says() -> None:
    results = doctest.testfile(str(README), module_relative=False, encoding="utf-8")
    assert results.attempted >= 6
    assert results.failed == 0


def test_readme_lists_every_type() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(rows) == set(TYPES)
