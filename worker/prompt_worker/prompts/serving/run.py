"""One execution of a prompt, from its text to what the model answered."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from prompt_worker.event.execution import ExecutionEvent
from prompt_worker.event.unit import recorded_unit
from prompt_worker.prompts.prompt import Prompt, Rendered
from prompt_worker.prompts.serving.enrolling import as_unit

# Characters of `selection` in an event; a label alone may have as many.
_LONGEST_SELECTION = 50


class Run:
    """What a block under `run()` works with. `event` is what will be published; any field of it may be set."""

    __slots__ = ("event", "prompt", "rendered")

    def __init__(self, prompt: Prompt, rendered: Rendered, unit: Any, fields: dict[str, Any]) -> None:
        self.prompt = prompt
        self.rendered = rendered
        self.event = ExecutionEvent(
            template_name=prompt.name,
            template_version=prompt.version,
            template_id=prompt.template_id,
            ab_test_group=prompt.group,
            rendered_prompt=rendered.text,
            input_variables=rendered.variables,
            **{**_served(prompt), **_enrolled(prompt, unit, fields), "status": "success", **fields},
        )

    @property
    def text(self) -> str:
        return self.rendered.text

    @property
    def messages(self) -> list[dict[str, Any]] | None:
        return self.rendered.messages

    @property
    def model_config(self) -> dict[str, Any]:
        return self.prompt.model_config

    @property
    def ref(self) -> str:
        return self.prompt.ref

    def respond(
        self,
        response: str,
        *,
        model: str | None = None,
        provider: str | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cost_usd: Decimal | None = None,
    ) -> None:
        """What the model answered. What is not given keeps what the event has."""
        self.event.model_response = response
        given = {
            "model": model,
            "provider": provider,
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "cost_usd": cost_usd,
        }
        for name, value in given.items():
            if value is not None:
                setattr(self.event, name, value)


def _enrolled(prompt: Prompt, unit: Any, fields: dict[str, Any]) -> dict[str, Any]:
    """Of an experiment or rollout on the prompt, by which phase and unit it assigned."""
    enrolment = prompt.enrolment
    if enrolment is None:
        return {}
    given = as_unit(unit if enrolment.unit_kind == "user" else fields.get("session_id"))
    return {
        "experiment_id": enrolment.experiment_id,
        "experiment_phase": enrolment.phase,
        "assignment_unit": recorded_unit(given) if given else None,
    }


def _served(prompt: Prompt) -> dict[str, Any]:
    """What the event says of how the prompt was chosen and where it came from."""
    return {
        "prompt_source": prompt.source,
        "selection": prompt.reason[:_LONGEST_SELECTION],
        "registry_revision": prompt.revision,
        "language": prompt.language,
        "content_sha256": prompt.content_sha256,
    }
