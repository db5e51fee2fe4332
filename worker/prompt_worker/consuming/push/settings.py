"""Settings of `serve`: where Pub/Sub pushes to, how much may be in flight, and whose requests are accepted."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, field

from prompt_worker.platform.pubsub.limits import ACK_DEADLINE_SECONDS, PUSHED_BYTES
from prompt_worker.platform.settings.environment import Port, Positive, Seconds


class PushSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where Pub/Sub pushes to, and how much may be in flight."""

    # Cloud Run's own name for it.
    port: Annotated[Port, Meta(description="listen on this port; Cloud Run sets it")] = field(
        name="PORT", default=8080
    )
    without_token: Annotated[
        bool, Meta(description="accept requests of any sender; only together with `PUBSUB_EMULATOR_HOST`")
    ] = field(name="PROMPT_WORKER_PUSH_WITHOUT_TOKEN", default=False)
    # Half of what a consumer that pulls waits: the senders of 80 requests wait too, and send no more meanwhile.
    batch_seconds: Annotated[Seconds, Meta(description="replaces `PROMPT_WORKER_BATCH_SECONDS`")] = field(
        name="PROMPT_WORKER_PUSH_BATCH_SECONDS", default=0.01
    )
    in_flight: Annotated[
        Positive, Meta(description="requests in flight; more are answered 429 and sent again")
    ] = field(name="PROMPT_WORKER_PUSH_IN_FLIGHT", default=1000)
    in_flight_bytes: Annotated[
        int,
        Meta(
            ge=PUSHED_BYTES,
            description="bytes of the requests in flight, at least 14000000; more are answered 429. "
            "Memory is at most about four times this",
        ),
    ] = field(name="PROMPT_WORKER_PUSH_IN_FLIGHT_BYTES", default=64_000_000)
    answer_seconds: Annotated[
        float,
        Meta(
            gt=0,
            lt=ACK_DEADLINE_SECONDS,
            description="answer a request 503 when its event is not settled within this many seconds; "
            "set it below the subscription's ack deadline",
        ),
    ] = field(name="PROMPT_WORKER_PUSH_ANSWER_SECONDS", default=20.0)


class TokenSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Whose requests `serve` accepts; not read with `PROMPT_WORKER_PUSH_WITHOUT_TOKEN`."""

    audience: Annotated[
        str, Meta(min_length=1, description="the audience of the push subscriptions' tokens")
    ] = field(name="PROMPT_WORKER_PUSH_AUDIENCE")
    service_account: Annotated[
        str,
        Meta(pattern=".@.", description="the service account that the push subscriptions authenticate as"),
    ] = field(name="PROMPT_WORKER_PUSH_SERVICE_ACCOUNT")
    keys_url: Annotated[
        str,
        Meta(
            pattern=r"^(https://|http://127\.0\.0\.1[:/])",
            description="where the public keys of the tokens are fetched",
        ),
    ] = field(name="PROMPT_WORKER_PUSH_KEYS_URL", default="https://www.googleapis.com/oauth2/v3/certs")
