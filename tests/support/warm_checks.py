"""The processes that check prompts are forks of one that has imported what they need, and not a Python each."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from prompt_worker.prompts.authoring.checks import confined
from prompt_worker.prompts.folder import checking
from tests.support.warm import WarmProcess


@contextmanager
def warm_checks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (confined, checking):
            patch.setattr(module, "subprocess", SimpleNamespace(**vars(subprocess) | {"run": _run}))
        yield


def _run(
    command: list[str],
    *,
    stdout: int,
    timeout: float,
    check: bool,
    input: bytes = b"",  # noqa: A002
    stdin: int | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """As `subprocess.run` for what these modules ask of it."""
    assert (command[0], stdout, check) == (sys.executable, subprocess.PIPE, False)
    assert stdin in (None, subprocess.DEVNULL)
    with tempfile.TemporaryFile() as given:
        given.write(input)
        given.seek(0)
        reading, writing = os.pipe()
        try:
            process = WarmProcess(command[1:], stdin=given.fileno(), stdout=writing, stderr=2)
        finally:
            os.close(writing)
    with open(reading, "rb") as printed:
        said = printed.read()
    return subprocess.CompletedProcess(command, process.wait(timeout), said)
