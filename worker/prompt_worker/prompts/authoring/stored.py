"""Versions as the database has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.statements import statement
from prompt_worker.prompts.content import Content, Messages, Translation
from prompt_worker.prompts.errors import (
    PromptError,
    UnknownPromptError,
    VersionGoneError,
    short,
)
from prompt_worker.prompts.version import Stored

_VERSIONS = statement(__name__, "versions")
_HEADS = statement(__name__, "heads")
# Of numbers that an error names.
_NUMBERS = 20


class UnreadableError(PromptError):
    """A row whose content is none, as one that was written by hand."""


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One row with its content; `content` is None where it cannot be read, and `problem` says why."""

    id: UUID
    name: str
    version: int
    description: str | None
    category: str | None
    content: Content | None
    problem: str | None
    sha256: str
    is_active: bool
    group: str | None
    author: str | None
    created_at: datetime | None

    @property
    def is_production(self) -> bool:
        return self.is_active and self.group is None

    @property
    def ref(self) -> str:
        return f"{self.name}@{self.version}"

    def readable(self) -> Content:
        """Raises `UnreadableError`."""
        if self.content is None:
            raise UnreadableError(f"{short(self.ref)} cannot be read: {self.problem}")
        return self.content

    def as_stored(self, *, is_active: bool | None = None) -> Stored:
        """For compiling. Raises `UnreadableError`."""
        return Stored(
            name=self.name,
            version=self.version,
            content=self.readable(),
            sha256=self.sha256,
            is_active=self.is_production if is_active is None else is_active,
            template_id=self.id,
            group=self.group,
        )


class Head(msgspec.Struct, frozen=True):
    """One row without its content."""

    name: str
    version: int
    sha256: str
    is_production: bool
    group: str | None
    category: str | None
    author: str | None
    created_at: datetime | None


def read_heads(cursor: cursor, name: str | None = None) -> list[Head]:
    """By name and number."""
    cursor.execute(_HEADS, {"name": name})
    return [Head(*row) for row in cursor]


def read_versions(
    cursor: cursor,
    name: str | None = None,
    versions: Sequence[int] | None = None,
    *,
    production: bool = False,
) -> list[Version]:
    """By name and number: all that meet what is given."""
    cursor.execute(
        _VERSIONS,
        {"name": name, "versions": None if versions is None else list(versions), "production": production},
    )
    return [_version(row) for row in cursor]


def find_version(cursor: cursor, name: str, version: int | None = None) -> Version:
    """That version; without a number the one in production, else the newest.

    Raises `UnknownPromptError`, `VersionGoneError`.
    """
    heads = read_heads(cursor, name)
    if version is None:
        active = [head.version for head in heads if head.is_production]
        number = active[0] if active else heads[-1].version if heads else 0
    else:
        number = version
    found = [] if not _fits(number) else read_versions(cursor, name, [number])
    if found:
        return found[0]
    raise missing(name, number, [head.version for head in heads])


def missing(name: str, version: int, versions: Sequence[int]) -> PromptError:
    """What to say of a version that is none of `versions`, which are all that the name has."""
    if not versions:
        return UnknownPromptError(
            f"no prompt is named {short(name)}: 'prompt-worker prompts list' shows them"
        )
    numbers = ", ".join(map(str, sorted(versions)[-_NUMBERS:]))
    return VersionGoneError(f"{short(name)} has no version {version}; it has {numbers}")


def _fits(version: int) -> bool:
    """Whether the column can hold it."""
    return 0 < version < 2**31


def _version(row: tuple[Any, ...]) -> Version:
    id_, name, version, description, category, *content, sha256, is_active, group, author, created = row
    problem, read = None, None
    try:
        read = _content(tuple(content))
    except msgspec.ValidationError as error:
        problem = str(error)
    return Version(
        id=UUID(id_),
        name=name,
        version=version,
        description=description,
        category=category,
        content=read,
        problem=problem,
        sha256=sha256,
        is_active=is_active,
        group=group,
        author=author,
        created_at=created,
    )


def _content(columns: tuple[Any, ...]) -> Content:
    text, messages, variables, model_config, output_schema, translations = columns
    return msgspec.convert(
        {
            "template_text": text,
            "messages": messages,
            "variables": [] if variables is None else variables,
            "model_config": model_config or {},
            "output_schema": output_schema,
            "translations": translations or {},
        },
        Content,
    )


def translations_of(content: Content) -> Iterable[tuple[str, str | None, Messages | None]]:
    """Language, text and messages of each: one of the two is None."""
    for language, text in content.translations.items():
        yield (language, *_either(text))


def _either(text: Translation) -> tuple[str | None, Messages | None]:
    return (text, None) if isinstance(text, str) else (None, text)
