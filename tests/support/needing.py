"""What some tests need that a machine may lack and nothing here can install: they are left out, and the run says so."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.support.documents import REPOSITORY
from tests.support.release import COMMIT

MARK = "needs"
NEEDS = ("terraform", "gcloud", "prometheus", "the last release")


def lacking(need: str) -> str:
    """Why it is not here, and how to get it; empty where it is."""
    if need == "the last release":
        known = ["git", "-C", str(REPOSITORY), "cat-file", "-e", COMMIT]
        is_here = (
            shutil.which("git") and subprocess.run(known, capture_output=True, check=False).returncode == 0
        )
        return "" if is_here else "this clone does not reach back to it: git fetch --unshallow"
    return "" if shutil.which(need) else f"there is no program {need}: install it and run again"


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Takes the tests out that lack something."""
    kept, left = [], []
    for item in items:
        (left if any(map(lacking, needs(item))) else kept).append(item)
    if left:
        items[:] = kept
        config.hook.pytest_deselected(items=left)


def needs(item: pytest.Item) -> Iterator[str]:
    for mark in item.iter_markers(MARK):
        yield from mark.args


def report(reporter: pytest.TerminalReporter) -> None:
    """At the end of a run, of all that any test needs, selected or not."""
    for need in NEEDS:
        if why := lacking(need):
            reporter.write_line(f"not run: tests that need {need}; {why}", yellow=True)
