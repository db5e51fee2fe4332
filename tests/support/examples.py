"""The programs of tests/examples as they are run: a process each, a request a line."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.support.documents import REPOSITORY
from tests.support.pipeline import Pipeline
from tests.support.warm import WarmProcess

EXAMPLES = REPOSITORY / "tests" / "examples"
PROMPTS = EXAMPLES / "prompts"


class Example(NamedTuple):
    """One of the platform's services: its modules' name, its prompt's, and requests that differ in what matters."""

    module: str
    template: str
    requests: tuple[dict[str, Any], ...]


_QUERIES = (
    {"student_query": "why are leaves green and not blue", "interests": ["football", "baking"]},
    {"student_query": "what is ph of water and why", "interests": None},
    {
        "student_query": 'Is {{ 3 < 4 }} & "so"? C:\\new\\1 \\x {% if a %} ${x} {x} é 🌧\r\nsecond line\n',
        "interests": [],
    },
    {"student_query": "", "interests": ["", "{{ student_query }}", "it's"]},
)

EXAMPLES_OF_SERVICES = (
    Example("topic_extraction", "nlu_topic_extraction", _QUERIES),
    Example("clarification", "clarification_question_generation", _QUERIES),
    Example(
        "script_generation",
        "educational_script_generation",
        (
            {
                "topics": ["optics", "waves"],
                "rag_context": 'A lens bends light. "{{ x }}"\n{# no comment #} C:\\new\n',
                "grade_level": "grade 7",
                "duration_seconds": 90,
                "interests": ["chess"],
            },
            {
                "topics": ["fractions"],
                "rag_context": "",
                "grade_level": "grade 5",
                "duration_seconds": 61,
                "interests": None,
            },
        ),
    ),
)


class ExampleProgram:
    """Answers until its context ends; then its executions are published and its exit code is checked."""

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name != "DATABASE_URL" and not name.startswith("PROMPT_")
        }
        self._process = WarmProcess(
            ["-m", f"tests.examples.{module}"],
            cwd=REPOSITORY,
            env=inherited | dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Shown beside a failure, as what the test itself writes there.
            stderr=2,
        )

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What it answers: `prompt` and `reply`, or `error` and `why`."""
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._process.kill()
            self._process.communicate()
            return
        self._process.communicate(timeout=180)
        assert self._process.returncode == 0


def publishing(pipeline: Pipeline) -> dict[str, str]:
    """The environment of a service that may publish, and knows no registry."""
    return {
        "PUBSUB_PROJECT_ID": pipeline.topology.project,
        "PUBSUB_EMULATOR_HOST": os.environ["PUBSUB_EMULATOR_HOST"],
        "PROMPT_LAST_GOOD": "none",
    }


def reading(pipeline: Pipeline, registry: str | None = None) -> dict[str, str]:
    """The same of one that reads its prompts from the database, or from `registry`."""
    named = {"DATABASE_URL": pipeline.database} if registry is None else {"PROMPT_REGISTRY": registry}
    return publishing(pipeline) | named
