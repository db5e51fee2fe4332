"""The event as JSON Schema, for services in other languages.

`python -m prompt_worker.event.json_schema` prints it; with `--write` it goes to the folder `events` of `prompt_schema`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

import prompt_schema
from prompt_worker.event.execution import COST_LIMIT, EARLIEST, EVENT_TYPE, ExecutionEvent

PATH = Path(prompt_schema.__file__).parent / "events" / "prompt-execution.v1.json"

_DESCRIPTIONS = {
    "event_id": "Version 7 preferred. The row's key: publishing it twice changes nothing.",
    "template_name": "The prompt template's name.",
    "template_id": "Absent when a service ran on its own prompt: the template is then found by name and version.",
    "template_version": "The version that was served.",
    "ab_test_group": "`control`, `variant_a`, …",
    "input_variables": "What the template was rendered with; may be empty. A text that was cut stands in `_truncated`.",
    "rendered_prompt": "The prompt as the model got it.",
    "model": "OpenTelemetry `gen_ai.request.model`.",
    "provider": "OpenTelemetry `gen_ai.provider.name`.",
    "input_tokens": "OpenTelemetry `gen_ai.usage.input_tokens`.",
    "output_tokens": "OpenTelemetry `gen_ai.usage.output_tokens`.",
    "token_count": "The sum of the two where absent.",
    "cost_usd": "US dollars from 0 to below 10000, 6 places are kept. A string keeps them exact.",
    "execution_time_ms": "Milliseconds.",
    "status": "`blocked`: an inline guardrail stopped it before the model was called.",
    "guardrail_action": "What the service's own guardrails decided, where it ran any.",
    "guardrail_violations": "Objects with `guardrail_name`, `guardrail_type`, `severity`, `action`, `details`.",
    "executed_at": f"RFC 3339 with an offset; from {EARLIEST:%Y} to at most a day ahead.",
    "environment": "`dev`, `staging`, `production`.",
}
# The Python class fills these in by itself; other publishers must send them.
_MADE_BY_THE_CLASS = ["event_id", "executed_at"]
_DECIMAL = r"^[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?$"


def event_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of one event. Unknown fields are allowed, the worker ignores them."""
    generated = msgspec.json.schema(ExecutionEvent)["$defs"][ExecutionEvent.__name__]
    properties = {
        name: {"description": _DESCRIPTIONS[name], **definition} if name in _DESCRIPTIONS else definition
        for name, definition in generated["properties"].items()
    }
    as_text, *others = properties["cost_usd"]["anyOf"]
    as_number = {"type": "number", "minimum": 0, "exclusiveMaximum": int(COST_LIMIT)}
    properties["cost_usd"]["anyOf"] = [{**as_text, "pattern": _DECIMAL}, as_number, *others]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": EVENT_TYPE,
        "description": "One execution of one prompt.",
        "type": "object",
        "required": sorted([*generated["required"], *_MADE_BY_THE_CLASS]),
        "properties": properties,
        "additionalProperties": True,
    }


def text() -> str:
    return json.dumps(event_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PATH.write_text(text())
    else:
        sys.stdout.write(text())
