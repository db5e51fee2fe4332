"""Settings of a prompt service, beside its arguments."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, field

from prompt_worker.platform.failures import SettingsError
from prompt_worker.platform.settings import read
from prompt_worker.prompts.registry.last_good import LastGood, default_folder
from prompt_worker.prompts.registry.sources.opening import open_source
from prompt_worker.prompts.registry.sources.source import Source

REGISTRY, DATABASE = "PROMPT_REGISTRY", "DATABASE_URL"
# Characters, as an event can have.
LONGEST_ENVIRONMENT = 50


class PromptSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where a `PromptTemplateService` finds its prompts; an argument of its own comes first."""

    registry: Annotated[
        str | None,
        Meta(
            extra={"or": "DATABASE_URL"},
            description="where live prompts are: `postgresql://…`, `https://HOST/v1/registry`, `gs://BUCKET/OBJECT` "
            "or `file:///PATH`; `none`: only those in the image",
        ),
    ] = field(name="PROMPT_REGISTRY", default=None)
    audience: Annotated[
        str | None,
        Meta(
            extra={"default": "the address's `https://HOST`"},
            description="the audience of the Google ID token that an `https` registry is sent; `none`: no token",
        ),
    ] = field(name="PROMPT_REGISTRY_AUDIENCE", default=None)
    environment: Annotated[
        Annotated[str, Meta(max_length=LONGEST_ENVIRONMENT)] | None,
        Meta(
            description="the environment that the service runs in, such as `production`: the `environment` of events "
            "that have none, and where an experiment runs that names one",
        ),
    ] = field(name="PROMPT_WORKER_ENVIRONMENT", default=None)
    last_good: Annotated[
        str | None,
        Meta(
            extra={"default": "`~/.cache/prompt-worker`"},
            description="a folder for the last prompts that were read, for a start without the registry; "
            "`none`: no file",
        ),
    ] = field(name="PROMPT_LAST_GOOD", default=None)


def read_environment(given: str | None) -> str | None:
    """Raises `SettingsError`."""
    if given is None:
        return read(PromptSettings).environment
    if len(given) > LONGEST_ENVIRONMENT:
        raise SettingsError(f"environment=: more than {LONGEST_ENVIRONMENT} characters")
    return given or None


def read_source(given: str | Source | None) -> Source | None:
    """None where there is no registry. Raises `SettingsError`."""
    if given is not None and not isinstance(given, str):
        return given
    settings = read(PromptSettings)
    address = given or settings.registry or ""
    if address in ("", "none"):
        return None
    named = "registry=" if given else REGISTRY if os.environ.get(REGISTRY) else DATABASE
    return open_source(address, named)


def read_last_good(given: str | os.PathLike[str] | None, source: Source) -> LastGood | None:
    """None where nothing is kept."""
    chosen = os.fspath(given) if given is not None else read(PromptSettings).last_good
    if chosen in ("", "none"):
        return None
    folder = Path(chosen) if chosen is not None else default_folder()
    return LastGood(folder, source.name) if folder is not None else None
