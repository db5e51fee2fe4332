"""The demonstration's services: each with a `PromptTemplateService` of its own, as processes apart would have."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Self

from prompt_worker.event.execution import ExecutionEvent
from prompt_worker.local.demo.experiments import Outcomes
from prompt_worker.local.demo.requests import EXTRACTION
from prompt_worker.local.demo.spread import Spread
from prompt_worker.prompts.serving.service import PromptTemplateService

NAMES = ("web", "app", "classroom", "homework")
# For the registry's first document; the database is on this machine.
START_SECONDS = 20.0


class Services:
    """Several, by name; `spread` is that of the prompt which gets another version meanwhile.

    `outcomes`: what becomes of calls in an arm of an experiment.
    """

    def __init__(self, services: Mapping[str, PromptTemplateService]) -> None:
        self._services = list(services.items())
        self.spread = Spread(EXTRACTION, list(services))
        self.outcomes = Outcomes()

    @classmethod
    def following(cls, registry: str) -> Self:
        """Of the database at this URL."""
        return cls({name: PromptTemplateService(registry=registry, last_good="none") for name in NAMES})

    def start(self) -> bool:
        """Whether each has the registry's prompts."""
        for _, prompts in self._services:
            prompts.start()
        return all(prompts.start(wait=START_SECONDS) for _, prompts in self._services)

    def close(self) -> None:
        for _, prompts in self._services:
            prompts.close()

    def execute(
        self, chance: random.Random, name: str, variables: dict[str, Any], **fields: Any
    ) -> ExecutionEvent:
        """What one of them publishes about an execution of the prompt `name`; `fields` are other fields of it."""
        service, prompts = chance.choice(self._services)
        with prompts.run(name, variables, service=service, **fields) as run:
            pass
        if name == self.spread.name:
            self.spread.note(service, run.event.template_version)
        return run.event
