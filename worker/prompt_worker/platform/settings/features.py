"""Settings of guardrails and of replays."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, field

from prompt_worker.platform.settings.environment import Positive


class GuardrailSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How soon an edited guardrail takes effect, and the secret that matches are hashed with."""

    refresh_seconds: Annotated[
        float,
        Meta(gt=0, le=30, description="seconds between two reads of `prompt_guardrails`, at most 30"),
    ] = field(name="PROMPT_WORKER_GUARDRAIL_REFRESH_SECONDS", default=10.0)
    hmac_key: Annotated[
        Annotated[str, Meta(min_length=32)] | None,
        Meta(
            description="a secret of at least 32 characters, the same for all workers: violations then hold a keyed "
            "hash of the match, by which it is recognised again"
        ),
    ] = field(name="PROMPT_WORKER_HMAC_KEY", default=None)
    hmac_key_id: Annotated[
        Annotated[str, Meta(max_length=50)] | None,
        Meta(
            extra={"default": "derived from the key"},
            description="names the key in each violation, at most 50 characters",
        ),
    ] = field(name="PROMPT_WORKER_HMAC_KEY_ID", default=None)


class ReplaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How often a dead letter may be replayed."""

    max_replays: Annotated[
        Positive, Meta(description="replays of a dead letter before another one needs `--force`")
    ] = field(name="PROMPT_WORKER_MAX_REPLAYS", default=3)
