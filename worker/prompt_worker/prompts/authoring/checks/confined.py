"""Work on templates in a child process with limits on processor time and memory, and what came of each step."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import msgspec

from prompt_worker.prompts.authoring.checks.child import Job, Step
from prompt_worker.prompts.errors import PromptError
from prompt_worker.prompts.folder.child import EXPENSIVE

# A wall clock's, for a child that the machine keeps waiting; its own limit is on processor time.
_SECONDS = 600.0


class ConfinedError(PromptError):
    """The child process failed through no fault of a template's."""

    exit_code = 70


def confined(job: Job) -> Iterator[Step]:
    """What came of each step, in their order. A child that a step ends is followed by another for the rest."""
    body = msgspec.json.encode(job)
    number = len(job.tried if job.inputs is None else job.inputs)
    at = 0
    while at < number:
        for step in _steps(body, at):
            if step.kind == "done":
                yield step
                at = step.at + 1
        if at < number:
            yield Step(at, "done", EXPENSIVE)
            at += 1


def _steps(body: bytes, start: int) -> list[Step]:
    command = [sys.executable, "-m", "prompt_worker.prompts.authoring.checks.child", str(start)]
    try:
        ran = subprocess.run(command, input=body, stdout=subprocess.PIPE, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise ConfinedError(f"the process that tries prompts did not end in {_SECONDS:.0f} s") from None
    steps = [msgspec.json.decode(line, type=Step) for line in ran.stdout.splitlines()]
    if not steps or ran.returncode > 0:
        raise ConfinedError("the process that tries prompts failed; what it printed says why")
    return steps
