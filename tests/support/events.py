"""Execution events as a publisher in any language would send them: JSON, one body an event."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prompt_worker.platform.uuid7 import uuid7

SEED_TEMPLATES = (
    "nlu_topic_extraction",
    "clarification_question_generation",
    "educational_script_generation",
)


def event(**fields: Any) -> dict[str, Any]:
    """A valid event; `fields` override."""
    return {
        "event_id": str(uuid7()),
        "template_name": SEED_TEMPLATES[0],
        "template_version": 1,
        "rendered_prompt": "Which topics does this question touch?",
        "status": "success",
        "input_variables": {"student_query": "Why is the sky blue?"},
        "executed_at": datetime.now(UTC).isoformat(),
    } | fields


def body(**fields: Any) -> bytes:
    return json.dumps(event(**fields), ensure_ascii=False).encode()


def bodies(count: int, seed: int = 0) -> list[bytes]:
    """Varied events over the three seed templates: every counter moves, and values are missing here and there."""
    chance = random.Random(seed)
    return [body(**_varied(chance)) for _ in range(count)]


def _varied(chance: random.Random) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "template_name": chance.choice(SEED_TEMPLATES),
        "status": chance.choices(("success", "failure", "partial", "blocked"), (90, 6, 2, 2))[0],
        "execution_time_ms": chance.randrange(50, 5000),
        "input_tokens": chance.randrange(2000),
        "output_tokens": chance.randrange(500),
        "cost_usd": f"{chance.randrange(1_000_000) / 1e6:.6f}",
        "user_id": f"user-{chance.randrange(100)}",
        "environment": "staging",
    }
    for name in ("execution_time_ms", "input_tokens", "cost_usd"):
        if chance.random() < 0.1:
            del fields[name]
    return fields


def id_of(encoded: bytes) -> UUID:
    return UUID(json.loads(encoded)["event_id"])


def with_raw(field: str, value: bytes, **fields: Any) -> bytes:
    """A body whose `field` holds these very bytes of JSON, for what Python's encoder would not write."""
    return body(**fields)[:-1] + b', "' + field.encode() + b'": ' + value + b"}"
