"""Feedback events as a publisher in any language would send them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from prompt_worker.platform.uuid7 import uuid7


def feedback(**fields: Any) -> dict[str, Any]:
    """A valid event; `fields` override, and `...` leaves one out."""
    made = {
        "event_id": str(uuid7()),
        "request_id": str(uuid4()),
        "name": "helpful",
        "value": 1,
        "source": "user",
        "at": datetime.now(UTC).isoformat(),
    } | fields
    return {name: value for name, value in made.items() if value is not ...}


def feedback_body(**fields: Any) -> bytes:
    return json.dumps(feedback(**fields), ensure_ascii=False).encode()
