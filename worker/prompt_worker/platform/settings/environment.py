"""Reading groups of settings: every missing or wrong one is reported at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from prompt_worker.platform.failures import SettingsError

Positive = Annotated[int, Meta(ge=1)]
# A day at most: no clock of the system waits for "inf" seconds.
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Ratio = Annotated[float, Meta(gt=0, le=1)]

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
        """The group's settings; after a problem they are of no use, and `check()` raises."""
        values: dict[str, Any] = {}
        for setting in msgspec.structs.fields(group):
            names = names_of(setting)
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
        """Adds a problem of settings that do not fit together; begins with the name of one."""
        self._problems.append(problem)

    def check(self) -> None:
        """Raises `SettingsError` naming every missing or wrong setting read so far."""
        if self._problems:
            raise SettingsError("\n".join(self._problems))


def read(group: type[Group], variables: Mapping[str, str] | None = None) -> Group:
    """One group alone. Raises `SettingsError`."""
    environment = Environment(variables)
    settings = environment.read(group)
    environment.check()
    return settings


def names_of(setting: msgspec.structs.FieldInfo) -> list[str]:
    """The variables that a setting is read from, the first that is set: its own, then `extra={"or": …}`."""
    others = [meta.extra["or"] for meta in metas_of(setting) if meta.extra and "or" in meta.extra]
    return [setting.encode_name, *others]


def metas_of(setting: msgspec.structs.FieldInfo) -> Iterator[Meta]:
    """The declarations beside a setting's type: its meaning, and what it may be."""
    return (part for part in getattr(setting.type, "__metadata__", ()) if isinstance(part, Meta))
