"""The consumers, by the names that `run` and `serve` take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_worker.consuming.work import Work
    from prompt_worker.platform.settings import Environment


def _executions(_: Environment) -> Work:
    from prompt_worker.consuming.work import Work
    from prompt_worker.executions.writer import ExecutionWriter

    return Work(
        "executions",
        lambda names: names.writer,
        lambda parts: ExecutionWriter(parts.engine, parts.stop),
        counts=True,
    )


def _guardrails(environment: Environment) -> Work:
    from prompt_worker.consuming.work import Work
    from prompt_worker.guardrails.recording.handler import open_handler
    from prompt_worker.platform.settings import GuardrailSettings

    settings = environment.read(GuardrailSettings)
    return Work(
        "guardrails",
        lambda names: names.guardrails,
        lambda parts: open_handler(parts, settings),
        counts=True,
    )


def _feedback(_: Environment) -> Work:
    from prompt_worker.consuming.work import Work
    from prompt_worker.feedback.writer import FeedbackWriter

    return Work(
        "feedback", lambda names: names.feedback, lambda parts: FeedbackWriter(parts.engine, parts.stop)
    )


def _dead_letters(_: Environment) -> Work:
    from prompt_worker.consuming.work import Work
    from prompt_worker.deadletters.store import open_store

    return Work("dead-letters", lambda names: names.dead_letter_store, open_store)


CONSUMERS: Mapping[str, Callable[[Environment], Work]] = {
    "executions": _executions,
    "guardrails": _guardrails,
    "feedback": _feedback,
    "dead-letters": _dead_letters,
}
# Pub/Sub pushes events alone: dead letters are few, and their worker sweeps.
PUSHED = ("executions", "guardrails", "feedback")
