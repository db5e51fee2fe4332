"""What the examples have in common and no prompt is part of: a model that answers, and requests to answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reply:
    text: str
    model: str
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Answer:
    """What a service did with one request: the prompt it sent, and what came back."""

    prompt: str
    reply: str


class ModelDownError(Exception):
    """The model's provider does not answer."""


def call_model(prompt: str, **_config: Any) -> Reply:
    """As a client of a provider is called. It answers without one, the same to the same prompt."""
    if "the model is down" in prompt:
        raise ModelDownError("the connection was closed while the answer was read")
    answer = json.dumps({"characters": len(prompt)})
    return Reply(answer, "example-model", len(prompt) // 4, len(answer) // 4)


def serve(handle: Callable[[Mapping[str, Any]], Answer]) -> None:
    """Answers each line of standard input, a request as JSON, with a line: what the model was sent and answered."""
    for line in sys.stdin:
        try:
            answer = handle(json.loads(line))
        except Exception as error:
            print(json.dumps({"error": type(error).__name__, "why": str(error)}), flush=True)
        else:
            print(json.dumps({"prompt": answer.prompt, "reply": answer.reply}), flush=True)
