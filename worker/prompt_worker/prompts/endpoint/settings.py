"""Settings of `serve registry`: where it listens, and who may read every prompt there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta, field

from prompt_worker.platform.settings.environment import Port, Positive
from prompt_worker.prompts.authoring.naming import BadNameError, checked_label
from prompt_worker.prompts.endpoint.narrowing import PRODUCTION, Labels


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
        Meta(
            pattern=".@.",
            description="the service accounts that may read, separated by commas or spaces. `ACCOUNT=LABEL` reads of "
            "each name only the version with that label, as if it was in production; `ACCOUNT=LABEL+production` the "
            "active one of names without the label",
        ),
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
        return [account for account, _ in self._named()]

    @property
    def narrowed(self) -> dict[str, Labels]:
        """The labels of each account that is restricted to some."""
        return {account: tuple(labels.split("+")) for account, labels in self._named() if labels is not None}

    def problems(self) -> Iterator[str]:
        """What is wrong with the readers, each on a line."""
        seen: dict[str, str | None] = {}
        for account, labels in self._named():
            if account in seen and seen[account] != labels:
                yield f"PROMPT_WORKER_REGISTRY_READERS gives {account} different labels"
            seen[account] = labels
            if labels is not None and not all(map(_is_label, labels.split("+"))):
                yield (
                    f"PROMPT_WORKER_REGISTRY_READERS: {account}={labels} names no label: give one such as staging, "
                    "or staging+production"
                )

    def _named(self) -> Iterator[tuple[str, str | None]]:
        """Each account, with what is behind its sign of equality, if there is one."""
        # Not there at all: that is reported already.
        for each in re.split(r"[\s,]+", self.readers or ""):
            account, sign, labels = each.partition("=")
            if account:
                yield account, labels if sign else None


def _is_label(text: str) -> bool:
    try:
        return text == PRODUCTION or bool(checked_label(text))
    except BadNameError:
        return False
