"""Settings come from the environment. Each group is declared as a struct; each field says what it means."""

from prompt_worker.platform.settings.consuming import ConsumerSettings, ProbeSettings
from prompt_worker.platform.settings.environment import Environment, read
from prompt_worker.platform.settings.features import GuardrailSettings, ReplaySettings
from prompt_worker.platform.settings.services import (
    UNKNOWN_SERVICE,
    DatabaseSettings,
    PublisherSettings,
    PubSubSettings,
)

__all__ = [
    "UNKNOWN_SERVICE",
    "ConsumerSettings",
    "DatabaseSettings",
    "Environment",
    "GuardrailSettings",
    "ProbeSettings",
    "PubSubSettings",
    "PublisherSettings",
    "ReplaySettings",
    "read",
]
