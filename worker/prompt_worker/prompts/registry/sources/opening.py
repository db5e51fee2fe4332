"""Which source an address means."""

from __future__ import annotations

from prompt_worker.platform.failures import SettingsError
from prompt_worker.prompts.registry.sources.source import Source

FORMS = "postgresql://…, https://HOST/v1/registry, gs://BUCKET/OBJECT or file:///PATH"


def open_source(address: str, setting: str) -> Source:
    """Reaches for nothing yet. Raises `SettingsError`, which names `setting` and holds no password."""
    scheme = address.strip().partition("://")[0].partition("+")[0].lower()
    # Each loads what it needs and no other.
    match scheme:
        case "postgresql" | "postgres":
            from prompt_worker.prompts.registry.sources.database import DatabaseSource

            return DatabaseSource(address.strip(), setting)
        case "https" | "http":
            from prompt_worker.prompts.registry.sources.endpoint import EndpointSource

            return EndpointSource(address.strip(), setting)
        case "gs":
            from prompt_worker.prompts.registry.sources.bucket import BucketSource

            return BucketSource(address.strip(), setting)
        case "file":
            from prompt_worker.prompts.registry.sources.file import FileSource

            return FileSource(address.strip(), setting)
    raise SettingsError(f"{setting} is no address of a registry: give {FORMS}")
