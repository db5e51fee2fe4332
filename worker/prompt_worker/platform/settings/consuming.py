"""Settings of the workers, pulled or pushed."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, field

from prompt_worker.platform.settings.environment import Port, Positive, Ratio, Seconds


class ConsumerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker batches, and when it stops because everything is rejected."""

    batch_messages: Annotated[
        int,
        Meta(ge=1, le=20_000, description="write a batch when it holds this many messages, at most 20000"),
    ] = field(name="PROMPT_WORKER_BATCH_MESSAGES", default=500)
    batch_seconds: Annotated[
        Seconds, Meta(description="write a batch when its first message is this many seconds old")
    ] = field(name="PROMPT_WORKER_BATCH_SECONDS", default=0.02)
    batch_bytes: Annotated[
        Positive, Meta(description="write a batch when its messages' bodies have this many bytes")
    ] = field(name="PROMPT_WORKER_BATCH_BYTES", default=16_000_000)
    open_pulls: Annotated[
        Positive, Meta(description="pull requests that are open at the same time; `run` only")
    ] = field(name="PROMPT_WORKER_OPEN_PULLS", default=4)
    # At least two of the largest messages.
    in_flight_bytes: Annotated[
        int,
        Meta(
            ge=20_000_000,
            description="bytes of the messages that are pulled and not settled, at least 20000000; "
            "no more are pulled meanwhile; `run` only",
        ),
    ] = field(name="PROMPT_WORKER_IN_FLIGHT_BYTES", default=32_000_000)
    lanes: Annotated[
        Positive, Meta(description="batches that are written at the same time, each on its own connection")
    ] = field(name="PROMPT_WORKER_LANES", default=3)
    breaker_ratio: Annotated[
        Ratio,
        Meta(
            description="stop when this fraction of the last `PROMPT_WORKER_BREAKER_WINDOW` events was rejected, "
            "before they are dead-lettered"
        ),
    ] = field(name="PROMPT_WORKER_BREAKER_RATIO", default=0.95)
    breaker_window: Annotated[
        Positive, Meta(description="events that `PROMPT_WORKER_BREAKER_RATIO` is measured over")
    ] = field(name="PROMPT_WORKER_BREAKER_WINDOW", default=1000)
    progress_seconds: Annotated[
        Seconds, Meta(description="seconds between two log lines with the totals")
    ] = field(name="PROMPT_WORKER_PROGRESS_SECONDS", default=10.0)


class ProbeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where `run` answers an orchestrator's probes, and when a worker counts as stuck."""

    port: Annotated[
        Port | None,
        Meta(description="`run` answers `/healthz` and `/readyz` on this port; `serve` does so on `PORT`"),
    ] = field(name="PROMPT_WORKER_PROBE_PORT", default=None)
    stuck_seconds: Annotated[
        Seconds,
        Meta(
            description="`/healthz` turns 503 when a batch makes no progress for this many seconds "
            "(a retry counts as progress)"
        ),
    ] = field(name="PROMPT_WORKER_STUCK_SECONDS", default=60.0)
