"""The events as JSON Schema, for services in other languages.

`python -m prompt_worker.event.json_schema` prints them; with `--write` they go to the folder `events` of
`prompt_schema`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

import prompt_schema
from prompt_worker.event import feedback
from prompt_worker.event.execution import COST_LIMIT, EVENT_TYPE, ExecutionEvent
from prompt_worker.event.feedback import FeedbackEvent

_FOLDER = Path(prompt_schema.__file__).parent / "events"
PATH = _FOLDER / "prompt-execution.v1.json"
FEEDBACK_PATH = _FOLDER / "prompt-feedback.v1.json"

_DECIMAL = r"^[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?$"


def event_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of one execution. Unknown fields are allowed, the worker ignores them."""
    schema = _schema(EVENT_TYPE, ExecutionEvent, "event_id", "executed_at")
    cost = schema["properties"]["cost_usd"]
    as_text, *others = cost["anyOf"]
    as_number = {"type": "number", "minimum": 0, "exclusiveMaximum": int(COST_LIMIT)}
    cost["anyOf"] = [{**as_text, "pattern": _DECIMAL}, as_number, *others]
    return schema


def feedback_schema() -> dict[str, Any]:
    """The same of one feedback."""
    schema = _schema(feedback.EVENT_TYPE, FeedbackEvent, "event_id", "at", "source")
    source = schema["properties"]["source"]
    text, _ = source.pop("anyOf")
    source.pop("default")
    source |= text
    return schema


def _schema(title: str, event: type[msgspec.Struct], *filled_in: str) -> dict[str, Any]:
    """`filled_in`: what our own publisher fills in; others must send it."""
    generated = msgspec.json.schema(event)["$defs"][event.__name__]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": generated["description"],
        "type": "object",
        "required": sorted([*generated["required"], *filled_in]),
        "properties": generated["properties"],
        "additionalProperties": True,
    }


SCHEMAS: dict[Path, Callable[[], dict[str, Any]]] = {PATH: event_schema, FEEDBACK_PATH: feedback_schema}


def text(path: Path = PATH) -> str:
    """The schema as it is committed at `path`, one of `SCHEMAS`."""
    return json.dumps(SCHEMAS[path](), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for schema_path in SCHEMAS:
        if "--write" in sys.argv[1:]:
            schema_path.write_text(text(schema_path))
        else:
            sys.stdout.write(text(schema_path))
