"""A demonstration: what a school's services would publish in a while, with all that goes wrong there."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec

from prompt_worker.event.execution import ExecutionEvent, now
from prompt_worker.local.demo.broken import BREAKS, Raw, broken
from prompt_worker.local.demo.planted import KINDS, SHARE, Planted
from prompt_worker.local.demo.texts import (
    BLOCKED_QUERY,
    CLARIFICATION,
    EXTRACTION,
    FAILURES,
    GRADES,
    INTERESTS,
    MODELS,
    SCRIPT,
    TOPICS,
    Topic,
)
from prompt_worker.platform.uuid7 import uuid7

DUPLICATES = 0.02
BAD = 0.004
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


def messages(plan: Plan, seed: int = 0) -> Iterator[ExecutionEvent | Raw]:
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
            yield broken(breaks, execution(chance, status="success"))
            breaks += 1
        else:
            event = execution(chance, KINDS[kind]) if kind in KINDS else execution(chance)
            recent = [*recent[-199:], event]
            yield event


def execution(
    chance: random.Random, plant: Planted | None = None, status: str | None = None
) -> ExecutionEvent:
    """One execution of one of the three seed prompts, with a violation in the student's question where one is given."""
    topic = chance.choice(TOPICS)
    if plant:
        topic = replace(topic, queries=tuple(plant.add_to(query, chance) for query in topic.queries))
        status = "success"
    make = chance.choices((_extraction, _clarification, _script), weights=(5, 3, 0 if plant else 2))[0]
    status = status or chance.choices(list(STATUSES), weights=list(STATUSES.values()))[0]
    template, variables, prompt, response = make(topic, chance)
    event = ExecutionEvent(
        event_id=uuid7(),
        template_name=template,
        template_version=1,
        input_variables=variables,
        rendered_prompt=prompt,
        status="success",
        executed_at=now() - timedelta(seconds=chance.uniform(0, 3600)),
        user_id=f"student-{chance.randint(1, 400):04}",
        session_id=f"session-{chance.randint(1, 2000):05}",
        environment="dev",
    )
    return _blocked(event) if status == "blocked" else _answered(event, status, response, chance)


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
    event.template_name = "nlu_topic_extraction"
    event.input_variables = {"student_query": BLOCKED_QUERY, "interests": []}
    event.rendered_prompt = EXTRACTION.format(query=BLOCKED_QUERY, interests="nothing in particular")
    event.guardrail_action = "block"
    event.guardrail_violations = [
        {"guardrail_name": "prompt_injection_detection", "guardrail_type": "prompt_injection",
         "severity": "high", "action": "block", "details": {"matches": 1}}
    ]  # fmt: skip
    return event


Prompt = tuple[str, dict[str, Any], str, str]  # template name, variables, rendered prompt, answer


def _extraction(topic: Topic, chance: random.Random) -> Prompt:
    interests = chance.sample(INTERESTS, 2)
    query = chance.choice(topic.queries)
    answer = {
        "topics": [topic.name, topic.part],
        "subject": topic.subject,
        "grade_level": chance.choice((*GRADES, None)),
        "needs_clarification": chance.random() < 0.1,
    }
    prompt = EXTRACTION.format(query=query, interests=", ".join(interests))
    variables = {"student_query": query, "interests": interests}
    return "nlu_topic_extraction", variables, prompt, msgspec.json.encode(answer).decode()


def _clarification(topic: Topic, chance: random.Random) -> Prompt:
    interests = chance.sample(INTERESTS, 2)
    query = chance.choice(topic.queries)
    answer = {
        "questions": [
            {
                "question": f"Is it {topic.name} in general that you want, or {topic.part}?",
                "choices": [f"{topic.name} as a whole", topic.part],
            },
            {
                "question": f"Have you met {topic.part} in class, or is it new to you?",
                "choices": ["it came up in class", "it is new to me"],
            },
            {"question": f"Would an example from {interests[0]} help?", "choices": ["yes", "another one"]},
        ]
    }
    prompt = CLARIFICATION.format(query=query, interests=", ".join(interests))
    variables = {"student_query": query, "interests": interests}
    return "clarification_question_generation", variables, prompt, msgspec.json.encode(answer).decode()


def _script(topic: Topic, chance: random.Random) -> Prompt:
    interests, seconds = chance.sample(INTERESTS, 2), chance.choice([60, 90, 120, 180])
    grade = chance.choice(GRADES)
    variables = {
        "topics": [topic.name, topic.part],
        "rag_context": topic.fact,
        "grade_level": grade,
        "duration_seconds": seconds,
        "interests": interests,
    }
    prompt = SCRIPT.format(
        seconds=seconds,
        words=round(seconds * 2.4),
        grade=grade,
        name=topic.name,
        part=topic.part,
        interests=", ".join(interests),
        fact=topic.fact,
    )
    narration = (
        f"Picture something you know from {interests[0]}. {topic.fact}",
        f"Look closer, and you meet {topic.part}. {topic.fact}",
        f"So that is {topic.name}: what would you try next?",
    )
    answer = {
        "title": topic.name,
        "scenes": [
            {"narration": text, "visual": topic.part, "seconds": seconds // len(narration)}
            for text in narration
        ],
        "key_terms": [topic.part],
    }
    return (
        "educational_script_generation",
        variables,
        prompt,
        msgspec.json.encode(answer).decode(),
    )
