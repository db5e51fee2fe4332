"""Settings of `serve registry`: where it listens, and who may read every prompt there."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta, field

from prompt_worker.platform.settings.environment import Port, Positive


class EndpointSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the registry is read over HTTP, and by how many."""

    port: Annotated[Port, Meta(description="listen on this port; Cloud Run sets it")] = field(
        name="PORT", default=8080
    )
    without_token: Annotated[
        bool,
        Meta(
            description="let anyone who reaches the port read every prompt; only together with "
            "`PUBSUB_EMULATOR_HOST`"
        ),
    ] = field(name="PROMPT_WORKER_REGISTRY_WITHOUT_TOKEN", default=False)
    emulator_host: Annotated[
        str | None, Meta(description="`HOST:PORT` of Google's emulator: this is a machine for tests")
    ] = field(name="PUBSUB_EMULATOR_HOST", default=None)
    clients: Annotated[
        Positive,
        Meta(
            description="connections at once; more are answered 503. 10,000 need up to 400 MB and as many files"
        ),
    ] = field(name="PROMPT_WORKER_REGISTRY_CLIENTS", default=12_000)


class ReaderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who may read the registry over HTTP; not read with `PROMPT_WORKER_REGISTRY_WITHOUT_TOKEN`."""

    audience: Annotated[
        str,
        Meta(
            min_length=1, description="the audience of the readers' tokens: the address that they read from"
        ),
    ] = field(name="PROMPT_WORKER_REGISTRY_AUDIENCE")
    readers: Annotated[
        str,
        Meta(pattern=".@.", description="the service accounts that may read, separated by commas or spaces"),
    ] = field(name="PROMPT_WORKER_REGISTRY_READERS")
    keys_url: Annotated[
        str,
        Meta(
            pattern=r"^(https://|http://127\.0\.0\.1[:/])",
            description="where the public keys of the tokens are fetched",
        ),
    ] = field(name="PROMPT_WORKER_REGISTRY_KEYS_URL", default="https://www.googleapis.com/oauth2/v3/certs")

    @property
    def accounts(self) -> list[str]:
        return [account for account in re.split(r"[\s,]+", self.readers) if account]
