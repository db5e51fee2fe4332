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
from prompt_worker.event.execution import COST_LIMIT, EVENT_TYPE, ExecutionEvent

PATH = Path(prompt_schema.__file__).parent / "events" / "prompt-execution.v1.json"

# The Python class has defaults for these; other publishers must send them.
_FILLED_IN_BY_THE_CLASS = ["event_id", "executed_at"]
_DECIMAL = r"^[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?$"


def event_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of one event. Unknown fields are allowed, the worker ignores them."""
    generated = msgspec.json.schema(ExecutionEvent)["$defs"][ExecutionEvent.__name__]
    properties = generated["properties"]
    as_text, *others = properties["cost_usd"]["anyOf"]
    as_number = {"type": "number", "minimum": 0, "exclusiveMaximum": int(COST_LIMIT)}
    properties["cost_usd"]["anyOf"] = [{**as_text, "pattern": _DECIMAL}, as_number, *others]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": EVENT_TYPE,
        "description": generated["description"],
        "type": "object",
        "required": sorted([*generated["required"], *_FILLED_IN_BY_THE_CLASS]),
        "properties": properties,
        "additionalProperties": True,
    }


def text() -> str:
    """The schema as it is committed."""
    return json.dumps(event_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PATH.write_text(text())
    else:
        sys.stdout.write(text())
