"""Realistic execution events of about 1.3 kB over the three seed templates, made before anything is timed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID, uuid4

from prompt_worker.event.execution import ExecutionEvent, encode, parse
from prompt_worker.executions.rows import encode_row
from prompt_worker.platform.postgres.binary_copy import HEADER, TRAILER

TOPICS = [
    "photosynthesis",
    "fractions",
    "the water cycle",
    "Newton's third law",
    "the French Revolution",
    "cells",
]
INTERESTS = ["football", "Minecraft", "dancing", "dinosaurs", "cooking", "space travel"]
SENTENCES = [
    "Plants turn light, water and carbon dioxide into sugar and oxygen.",
    "Ask a question that can be answered in a few words, and offer two choices.",
    "Every action has an equal and opposite reaction: the rocket pushes gas, the gas pushes the rocket.",
    'The pupil wrote: "why is the sky blue??" — naïve, but a good start.',
    "A fraction is a part of a whole;\n3/4 means three of four equal parts.",
    "State nothing that the source material does not support, and explain each new term at its first use.",
    "Water evaporates from the sea, condenses to clouds and falls as rain.",
    "In 1789 the Third Estate declared itself the National Assembly.",
]


class Template(NamedTuple):
    id: UUID
    name: str
    version: int

    @classmethod
    def of(cls, id: str, name: str, version: int) -> Template:  # noqa: A002
        return cls(UUID(id), name, version)


def make(number: int, templates: Sequence[Template]) -> Iterator[ExecutionEvent]:
    """The same texts on every run, new ids; in the proportions of a service that mostly works."""
    rng = random.Random(7)
    start = datetime.now(UTC) - timedelta(milliseconds=number)
    for position in range(number):
        template = templates[position % len(templates)]
        tokens = rng.randint(120, 900), rng.randint(20, 400)
        event = ExecutionEvent(
            template_id=template.id,
            template_name=template.name,
            template_version=template.version,
            user_id=f"user-{rng.randint(1, 20_000)}",
            session_id=f"session-{rng.randint(1, 50_000)}",
            request_id=uuid4(),
            input_variables={
                "student_query": rng.choice(SENTENCES),
                "interests": rng.sample(INTERESTS, 2),
                "duration_seconds": rng.randint(30, 240),
            },
            rendered_prompt=_text(rng, 5) + rng.choice(TOPICS),
            model_response=f'{{"topics": ["{rng.choice(TOPICS)}"], "answer": "{_text(rng, 2)}"}}',
            model="gemini-2.5-flash",
            provider="gcp.vertex_ai",
            input_tokens=tokens[0],
            output_tokens=tokens[1],
            cost_usd=Decimal(sum(tokens)) / 1_000_000,
            execution_time_ms=rng.randint(180, 4200),
            status="success",
            executed_at=start + timedelta(milliseconds=position),
            environment="production",
        )
        _spoil(event, rng.random())
        yield event


def _text(rng: random.Random, sentences: int) -> str:
    return " ".join(rng.choices(SENTENCES, k=sentences)) + " "


def _spoil(event: ExecutionEvent, chance: float) -> None:
    """4 of 100 fail, 2 of 100 made a guardrail warn."""
    if chance < 0.04:
        event.status = "failure"
        event.error_type = "DeadlineExceeded"
        event.error_message = "The model did not answer within 30 seconds."
        event.model_response = event.output_tokens = None
    elif chance < 0.06:
        event.guardrail_action = "warn"
        event.guardrail_violations = [
            {"guardrail_name": "prompt_injection_detection", "severity": "high", "action": "warn"}
        ]


def bodies(number: int, templates: Sequence[Template]) -> list[bytes]:
    return [encode(event) for event in make(number, templates)]


def copy_input(messages: Sequence[bytes]) -> bytes:
    """The same events as one binary COPY, the cheapest form for the server, in the order of their ids."""
    return b"".join([HEADER, *rows_of(messages), TRAILER])


def rows_of(messages: Sequence[bytes]) -> list[bytes]:
    """The same events as rows of a binary COPY, in the order of their ids."""
    events = sorted((parse(message)[0] for message in messages), key=lambda event: event.event_id)
    return [encode_row(event, event.template_id) for event in events if event.template_id]
