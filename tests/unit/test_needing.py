"""A test that lacks what nothing here can install is left out, and the run says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.documents import REPOSITORY


def test_run_without_a_program_says_what_it_left_out(tmp_path: Path) -> None:
    alone = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*alone, "tests/integration/test_gcloud_commands.py"],
        cwd=REPOSITORY, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "1 deselected" in done.stdout
    assert "not run: tests that need gcloud; there is no program gcloud: install it" in done.stdout
    assert "not run: tests that need the last release" in done.stdout
    assert "skipped" not in done.stdout
