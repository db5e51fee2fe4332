"""Settings from the environment: each group declared as a struct, all problems reported at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, field

from prompt_worker.platform.failures import SettingsError

Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Ratio = Annotated[float, Meta(gt=0, le=1)]


class PubSubSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the broker is."""

    project: Annotated[str, Meta(min_length=1, extra={"or": "GOOGLE_CLOUD_PROJECT"})] = field(
        name="PUBSUB_PROJECT_ID"
    )
    emulator_host: str | None = field(name="PUBSUB_EMULATOR_HOST", default=None)


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the database is."""

    url: Annotated[str, Meta(min_length=1)] = field(name="DATABASE_URL")


class ConsumerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a consumer batches, and when it gives up."""

    batch_messages: Annotated[int, Meta(ge=1, le=20_000)] = field(
        name="PROMPT_WORKER_BATCH_MESSAGES", default=500
    )
    batch_seconds: Seconds = field(name="PROMPT_WORKER_BATCH_SECONDS", default=0.02)
    batch_bytes: Positive = field(name="PROMPT_WORKER_BATCH_BYTES", default=16_000_000)
    open_pulls: Positive = field(name="PROMPT_WORKER_OPEN_PULLS", default=4)
    lanes: Positive = field(name="PROMPT_WORKER_LANES", default=3)
    breaker_ratio: Ratio = field(name="PROMPT_WORKER_BREAKER_RATIO", default=0.95)
    breaker_window: Positive = field(name="PROMPT_WORKER_BREAKER_WINDOW", default=1000)
    progress_seconds: Seconds = field(name="PROMPT_WORKER_PROGRESS_SECONDS", default=10.0)


class ProbeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where a worker that pulls answers its orchestrator's probes, and when it counts as stuck."""

    port: Port | None = field(name="PROMPT_WORKER_PROBE_PORT", default=None)
    stuck_seconds: Seconds = field(name="PROMPT_WORKER_STUCK_SECONDS", default=60.0)


class PushSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where Pub/Sub pushes to, and how much may be in hand."""

    port: Port = field(name="PORT", default=8080)  # Cloud Run's own name for it
    without_token: bool = field(name="PROMPT_WORKER_PUSH_WITHOUT_TOKEN", default=False)
    # Half of what a consumer that pulls waits: the senders of 80 requests wait too, and send no more meanwhile.
    batch_seconds: Seconds = field(name="PROMPT_WORKER_PUSH_BATCH_SECONDS", default=0.01)
    in_flight: Positive = field(name="PROMPT_WORKER_PUSH_IN_FLIGHT", default=1000)
    in_flight_bytes: Annotated[int, Meta(ge=14_000_000)] = field(
        name="PROMPT_WORKER_PUSH_IN_FLIGHT_BYTES", default=64_000_000
    )
    answer_seconds: Annotated[float, Meta(gt=0, lt=600)] = field(
        name="PROMPT_WORKER_PUSH_ANSWER_SECONDS", default=20.0
    )


class TokenSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Whose requests are believed."""

    audience: Annotated[str, Meta(min_length=1)] = field(name="PROMPT_WORKER_PUSH_AUDIENCE")
    service_account: Annotated[str, Meta(pattern=".@.")] = field(name="PROMPT_WORKER_PUSH_SERVICE_ACCOUNT")
    keys_url: Annotated[str, Meta(pattern=r"^(https://|http://127\.0\.0\.1[:/])")] = field(
        name="PROMPT_WORKER_PUSH_KEYS_URL", default="https://www.googleapis.com/oauth2/v3/certs"
    )


class ReplaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How often a dead letter is sent again before it must be forced."""

    max_replays: Positive = field(name="PROMPT_WORKER_MAX_REPLAYS", default=3)


class GuardrailSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How soon an edited guardrail takes effect, and the secret of the HMACs of matches."""

    refresh_seconds: Annotated[float, Meta(gt=0, le=30)] = field(
        name="PROMPT_WORKER_GUARDRAIL_REFRESH_SECONDS", default=10.0
    )
    hmac_key: Annotated[str, Meta(min_length=32)] | None = field(name="PROMPT_WORKER_HMAC_KEY", default=None)
    hmac_key_id: Annotated[str, Meta(max_length=50)] | None = field(
        name="PROMPT_WORKER_HMAC_KEY_ID", default=None
    )


Group = TypeVar("Group", bound=msgspec.Struct)


class Environment:
    """Reads groups of settings and remembers every problem until `check()`.

    >>> environment = Environment({"DATABASE_URL": "postgresql:///prompts"})
    >>> database = environment.read(DatabaseSettings)
    >>> environment.check()
    """

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = os.environ if variables is None else variables
        self._problems: list[str] = []

    def read(self, group: type[Group]) -> Group:
        """The group's settings; after a problem a group that only `check()` may follow."""
        values: dict[str, Any] = {}
        for setting in msgspec.structs.fields(group):
            names = [setting.encode_name, *_alternatives(setting.type)]
            given = next((self._variables[name] for name in names if self._variables.get(name)), None)
            if given is None:
                if setting.required:
                    self._problems.append(f"{' or '.join(names)} is not set")
                values[setting.name] = None if setting.required else setting.default
                continue
            try:
                values[setting.name] = msgspec.convert(given, setting.type, strict=False)
            except msgspec.ValidationError as error:
                self._problems.append(f"{setting.encode_name}: {error}")
                values[setting.name] = None
        return group(**values)

    def complain(self, problem: str) -> None:
        """Of settings that are wrong together; begins with the name of one."""
        self._problems.append(problem)

    def check(self) -> None:
        """Raises `SettingsError` naming every missing or wrong setting read so far."""
        if self._problems:
            raise SettingsError("\n".join(self._problems))


def _alternatives(kind: Any) -> list[str]:
    for part in getattr(kind, "__metadata__", ()):
        if isinstance(part, Meta) and part.extra:
            return [part.extra["or"]]
    return []


def read(group: type[Group], variables: Mapping[str, str] | None = None) -> Group:
    """One group alone. Raises `SettingsError`."""
    environment = Environment(variables)
    settings = environment.read(group)
    environment.check()
    return settings
