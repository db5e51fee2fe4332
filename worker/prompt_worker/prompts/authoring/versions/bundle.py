"""Prompts on their way from one environment to another: what is in production here, to be saved there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.acting import reading
from prompt_worker.prompts.authoring.stored import Version, find_version, read_versions
from prompt_worker.prompts.authoring.versions.planning import Candidate
from prompt_worker.prompts.content import Content
from prompt_worker.prompts.errors import PromptError, short

FORMAT = 1
# Of a file that is read.
SIZE_LIMIT = 200_000_000


class BundleError(PromptError):
    """A file that is no export, or not whole."""


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """One version. `version` is its number where it comes from: it gets another where it goes."""

    name: str
    version: int
    sha256: str
    description: str | None = None
    category: str | None = None
    content: Content


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """An export. Unknown fields are ignored; a `format` above this one is refused."""

    format: Annotated[int, msgspec.Meta(ge=1)] = FORMAT
    registry_id: UUID
    revision: int
    made_at: datetime
    prompts: list[Exported]


class Wanted(NamedTuple):
    """A version; without a number the one in production, else the newest."""

    name: str
    version: int | None


def export(session: Session, wanted: Sequence[Wanted] = ()) -> Bundle:
    """The prompts that are asked for, or all in production, as they are at one moment.

    Raises `UnknownPromptError`, `VersionGoneError`, `UnreadableError`, `NotAllowedError`, `DeploymentError`.
    """

    def read(cursor: cursor) -> Bundle:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT registry_id::text, revision FROM prompt_registry")
        ((registry, revision),) = cursor.fetchall()
        versions = (
            [find_version(cursor, name, version) for name, version in dict.fromkeys(wanted)]
            if wanted
            else read_versions(cursor, production=True)
        )
        return Bundle(
            registry_id=UUID(registry),
            revision=revision,
            made_at=datetime.now(UTC),
            prompts=list(map(_exported, versions)),
        )

    return reading(session, read)


def encode(bundle: Bundle) -> bytes:
    """As it is written: for people too, who compare two of them."""
    return msgspec.json.format(msgspec.json.encode(bundle), indent=1) + b"\n"


def decode(given: bytes) -> list[Candidate]:
    """What to save. Raises `BundleError`, which quotes nothing of it."""
    if len(given) > SIZE_LIMIT:
        raise BundleError(f"the file has more than {SIZE_LIMIT:,} bytes")
    try:
        bundle = msgspec.json.decode(given, type=Bundle)
    except (msgspec.ValidationError, RecursionError) as error:
        raise BundleError(f"the file is no export of prompts: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BundleError("the file is not whole, or not JSON: export it again") from None
    if bundle.format > FORMAT:
        raise BundleError(
            f"the file has format {bundle.format}, this version reads {FORMAT}: update prompt-worker"
        )
    for each in bundle.prompts:
        try:
            same = each.content.sha256 == each.sha256
        except (ValueError, RecursionError):
            same = False
        if not same:
            raise BundleError(f"{short(each.name)} is not what was exported: export it again")
    return [
        Candidate(name=each.name, content=each.content, description=each.description, category=each.category)
        for each in bundle.prompts
    ]


def _exported(version: Version) -> Exported:
    return Exported(
        name=version.name,
        version=version.version,
        sha256=version.sha256,
        description=version.description,
        category=version.category,
        content=version.readable(),
    )
