"""`python -m prompt_worker.prompts.authoring.checks.child START`: does a `Job` from standard input, within limits.

Writes one JSON object a line, before and after each step. A step that costs too much ends this process by a signal;
whoever started it sees in the last line which, and starts another from the step after it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from prompt_worker.prompts.errors import Fault, PromptError, TemplateFaultError
from prompt_worker.prompts.folder.child import EXPENSIVE, limit_memory, limited, trial_fault
from prompt_worker.prompts.languages import chain
from prompt_worker.prompts.prompt import Prompt
from prompt_worker.prompts.snapshot.snapshot import Resolver
from prompt_worker.prompts.version import CompiledVersion, Stored

# Characters of all texts that one process hands back; of those after it only the length.
_TEXTS_LIMIT = 20_000_000


class Key(NamedTuple):
    """Names one version."""

    name: str
    version: int


class Input(msgspec.Struct):
    """Variables, and the language, of one execution."""

    variables: Any
    language: str | None = None


class Job(msgspec.Struct):
    """`versions` are those that includes are found in, and those that are worked on.

    Each of `tried` is compiled, and rendered with values of every kind. With `inputs` it is the one that is rendered
    with each of these instead.
    """

    versions: list[Stored]
    tried: list[Key]
    inputs: list[Input] | None = None


class Step(msgspec.Struct):
    """A line. `begun`: the step at this place follows. Else what came of it: `message` where it failed."""

    at: int
    kind: Literal["begun", "done"]
    message: str | None = None
    # Where in which text.
    part: str = ""
    line: int = 0
    column: int = 0
    # Of a version that was compiled: each reference with the hash of its content.
    included: dict[str, str] = {}
    # Of a rendering: its text, unless there are too many of them, and how long it is.
    text: str | None = None
    length: int = 0

    @property
    def error(self) -> TemplateFaultError | None:
        if self.message is None:
            return None
        return TemplateFaultError(Fault(self.message, self.line, self.column), self.part)


def main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    limit_memory()
    for step in _steps(job, int(sys.argv[1])):
        sys.stdout.buffer.write(msgspec.json.encode(step) + b"\n")
        sys.stdout.buffer.flush()


def _steps(job: Job, start: int) -> Iterator[Step]:
    found = {(each.name, each.version): each for each in job.versions}
    resolver = Resolver(found)
    if job.inputs is not None:
        (key,) = job.tried
        compiled = CompiledVersion(found[key], resolver.lookup_for, "builtin", None)
        yield from _rendered(start, job.inputs, compiled)
        return
    for at, key in enumerate(job.tried[start:], start):
        yield Step(at, "begun")
        with limited():
            step = _tried(at, found[key], resolver)
        yield step


def _tried(at: int, stored: Stored, resolver: Resolver) -> Step:
    try:
        compiled = CompiledVersion(stored, resolver.lookup_for, "builtin", None)
        fault = trial_fault(compiled)
    except TemplateFaultError as error:
        return Step(at, "done", error.fault.message, error.part, error.fault.line, error.fault.column)
    except MemoryError:
        return Step(at, "done", EXPENSIVE)
    if fault is not None:
        return Step(at, "done", fault.message, "", fault.line, fault.column)
    return Step(at, "done", included={reference: sha256 for _, reference, sha256 in compiled.included})


def _rendered(start: int, inputs: list[Input], compiled: CompiledVersion) -> Iterator[Step]:
    left = _TEXTS_LIMIT
    for at, given in enumerate(inputs[start:], start):
        yield Step(at, "begun")
        with limited():
            step = _rendering(at, _in_language(compiled, given.language), given.variables)
        left -= step.length
        if left < 0:
            step.text = None
        yield step


def _in_language(compiled: CompiledVersion, language: str | None) -> Prompt:
    """As a service serves it to whoever asks for this language."""
    prompts = {prompt.language and prompt.language.lower(): prompt for prompt in compiled.prompts()}
    found = (prompts[each] for each in chain(language or "") if each in prompts)
    return next(found, prompts[None])


def _rendering(at: int, prompt: Prompt, variables: Any) -> Step:
    try:
        text = prompt.render(variables).text
    except PromptError as error:
        return Step(at, "done", str(error))
    except MemoryError:
        return Step(at, "done", EXPENSIVE)
    return Step(at, "done", text=text, length=len(text))


if __name__ == "__main__":
    main()
