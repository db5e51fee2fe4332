"""A demonstration: what a school's services publish, with everything that goes wrong there."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from prompt_worker.event.execution import ExecutionEvent
from prompt_worker.local.demo.broken import BREAKS, Raw, broken
from prompt_worker.local.demo.planted import KINDS, SHARE, Planted
from prompt_worker.local.demo.requests import EXTRACTION, clarification, extraction, script
from prompt_worker.local.demo.services import Services
from prompt_worker.local.demo.texts import BLOCKED_QUERY, FAILURES, MODELS, TOPICS

# Parts of the messages.
DUPLICATES = 0.02
BAD = 0.004
# Percent of the events.
STATUSES = {"success": 90, "failure": 5, "partial": 3, "blocked": 2}


@dataclass(frozen=True)
class Plan:
    """How `total` messages divide: `rows` events, `duplicates` of them, and `bad` messages."""

    total: int

    @property
    def bad(self) -> int:
        # One of each kind where there is room, a few in a small demonstration.
        return max(round(self.total * BAD), min(len(BREAKS), self.total // 10))

    @property
    def duplicates(self) -> int:
        return round(self.total * DUPLICATES)

    @property
    def planted(self) -> int:
        """Events with a violation of each kind."""
        return round(self.total * SHARE)

    @property
    def rows(self) -> int:
        return self.total - self.duplicates - self.bad


def messages(plan: Plan, services: Services, seed: int = 0) -> Iterator[ExecutionEvent | Raw]:
    """The messages of `plan`, mixed. Texts and proportions repeat with `seed`; ids and times are new."""
    chance = random.Random(seed)  # noqa: S311
    plants = [name for name in KINDS for _ in range(plan.planted)]
    clean = plan.rows - 1 - len(plants)
    kinds = ["row"] * clean + plants + ["duplicate"] * plan.duplicates + ["bad"] * plan.bad
    chance.shuffle(kinds)
    recent: list[ExecutionEvent] = []
    breaks = 0
    for kind in ["row", *kinds] if plan.rows else kinds:
        if kind == "duplicate":
            yield chance.choice(recent)
        elif kind == "bad":
            yield broken(breaks, execution(services, chance, status="success"))
            breaks += 1
        else:
            event = execution(services, chance, KINDS.get(kind))
            recent = [*recent[-199:], event]
            yield event


def execution(
    services: Services, chance: random.Random, plant: Planted | None = None, status: str | None = None
) -> ExecutionEvent:
    """One execution of one of the three prompts, with a violation in the student's question where one is given."""
    topic = chance.choice(TOPICS)
    if plant:
        topic = replace(topic, queries=tuple(plant.add_to(query, chance) for query in topic.queries))
        status = "success"
    make = chance.choices((extraction, clarification, script), weights=(5, 3, 0 if plant else 2))[0]
    status = status or chance.choices(list(STATUSES), weights=list(STATUSES.values()))[0]
    template, variables, response = make(topic, chance)
    student = f"student-{chance.randint(1, 400):04}"
    people = {
        "unit": student,
        "user_id": student,
        "session_id": f"session-{chance.randint(1, 2000):05}",
        "environment": "dev",
    }
    if status == "blocked":
        variables = {"student_query": BLOCKED_QUERY, "interests": []}
        return _blocked(services.execute(chance, EXTRACTION, variables, **people))
    event = services.execute(chance, template, variables, **people)
    status = services.outcomes.of(event, chance.random()) or status
    return _answered(event, status, response, chance)


def _answered(event: ExecutionEvent, status: str, response: str, chance: random.Random) -> ExecutionEvent:
    model, provider, price = chance.choice(MODELS)
    event.model, event.provider = model, provider
    event.input_tokens = len(event.rendered_prompt) // 4
    event.execution_time_ms = round(chance.lognormvariate(6.6, 0.45))
    if status == "failure":
        event.status = "failure"
        event.error_type, event.error_message, event.execution_time_ms = chance.choice(FAILURES)
        return event
    if status == "partial":
        event.status = "partial"
        event.error_type, event.error_message = "MaxTokens", "the answer ends at the limit of output tokens"
        response = response[: len(response) * 2 // 3]
    event.model_response = response
    event.output_tokens = len(response) // 4
    tokens = event.input_tokens + 4 * event.output_tokens
    event.cost_usd = (Decimal(tokens) * price / 1_000_000).quantize(Decimal("0.000001"))
    if chance.random() < 0.02:
        event.guardrail_action = "warn"
        event.guardrail_violations = [
            {"guardrail_name": "toxic_content_filter", "guardrail_type": "toxic_content", "severity": "high",
             "action": "warn", "details": {"category": "violence", "score": round(chance.uniform(0.7, 0.9), 2)}}
        ]  # fmt: skip
    return event


def _blocked(event: ExecutionEvent) -> ExecutionEvent:
    """Stopped by the service's own guardrail before the model was called: no answer, no cost."""
    event.status = "blocked"
    event.guardrail_action = "block"
    event.guardrail_violations = [
        {"guardrail_name": "prompt_injection_detection", "guardrail_type": "prompt_injection",
         "severity": "high", "action": "block", "details": {"matches": 1}}
    ]  # fmt: skip
    return event
