"""Why a worker ended is the last line of its log: JSON for programs, text for a person, and of no event anything."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from tests.support.events import body
from tests.support.pipeline import Pipeline

SECRET = "what somebody wrote"
# An error that no release should have, with the text of an event in its message.
BROKEN = """
import sys
from prompt_worker.commands.cli import main
from prompt_worker.executions import writer

def broken(self, messages):
    raise LookupError(messages[0].data)

writer.ExecutionWriter.__call__ = broken
sys.exit(main(["run", "executions"]))
"""


@pytest.mark.embedded_only
def test_error_of_the_program_is_logged_with_its_stack_trace(pipeline: Pipeline) -> None:
    pipeline.publish([body(rendered_prompt=SECRET)])
    with pipeline.worker_program(BROKEN) as worker:
        assert worker.wait() == 70
        ending = worker.ending
        assert (ending["severity"], ending["exit_code"]) == ("CRITICAL", 70)
        assert ending["message"] == "the program itself failed: LookupError"
        first, *frames, last = ending["stack_trace"].splitlines()
        assert first == "Traceback (most recent call last):"
        assert any(", in broken" in frame for frame in frames)
        assert last == "LookupError"
        assert SECRET not in worker.output
    assert len(pipeline.unsettled(seconds=5)) == 1, "handed back"


@pytest.mark.parametrize("arguments", [["run", "executions"], ["serve"]], ids=" ".join)
def test_ending_is_text_on_a_terminal(arguments: list[str]) -> None:
    terminal, side = pty.openpty()
    settings = {"DATABASE_URL": "", "PUBSUB_PROJECT_ID": "p", "NO_COLOR": "1", "PROMPT_WORKER_LOG_FORMAT": ""}
    done = subprocess.run(
        [sys.executable, "-m", "prompt_worker", *arguments],
        env=os.environ | settings, stderr=side, timeout=180, check=False,
    )  # fmt: skip
    os.close(side)
    said = os.read(terminal, 10_000).decode()
    os.close(terminal)
    assert done.returncode == 78
    assert "CRITICAL DATABASE_URL is not set" in said
    assert "{" not in said
