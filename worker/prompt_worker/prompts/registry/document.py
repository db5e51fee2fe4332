"""The document of a registry: all prompts of one moment, the same from a database, an endpoint and a file.

Decoding never trusts: a document that is not whole is refused as a whole, while a content or a rule that cannot be
read spoils its own prompt alone, so these are decoded where they are used.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta, Raw, Struct, field

from prompt_worker.prompts.content import Content
from prompt_worker.prompts.errors import PromptError, short

FORMAT = 1
# Far above what a registry holds; a server that answers endlessly must not fill the memory of its clients.
BYTES_LIMIT = 200_000_000

_Number = Annotated[int, Meta(ge=1)]
_NO_RULES = Raw(b"[]")
Part = TypeVar("Part")


class DocumentError(PromptError):
    """A document that is not whole, or not one; the one before stays in use."""


class NewerFormatError(DocumentError):
    """Written by a later version of prompt-worker, in a form that this one does not know."""


class AnotherRegistryError(DocumentError):
    """A document of another registry than the one before."""


class OlderDocumentError(DocumentError):
    """A document that was overtaken already: of a lower epoch, or a lower revision of the same one."""


class Position(NamedTuple):
    """Which state of which registry; of one registry, (epoch, revision) is its order."""

    registry_id: UUID
    epoch: int
    revision: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.revision}"


class Rule(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`when`: what each key of the context has to be. Then `version`, or the one with `label`, is served."""

    when: dict[str, Any]
    version: _Number | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if (self.version is None) == (self.label is None):
            raise ValueError("expected version or label")


class Name(Struct, frozen=True, kw_only=True):
    """What is known of a name beside its versions. `blocked` is the reason; no version is served then."""

    category: str | None = None
    blocked: str | None = None
    labels: dict[str, _Number] = field(default_factory=dict)
    # A list of `Rule`.
    rules: Raw = _NO_RULES

    def read_rules(self) -> list[Rule]:
        """In their order. Raises `DocumentError`."""
        return _part(self.rules, list[Rule], "rules")


class Version(Struct, frozen=True, kw_only=True):
    """One version of a prompt."""

    name: Annotated[str, Meta(min_length=1)]
    version: _Number
    template_id: UUID | None = None
    is_active: bool = False
    group: str | None = None
    content_sha256: str | None = None
    # A `Content`.
    content: Raw

    def read_content(self) -> Content:
        """Raises `DocumentError`."""
        return _part(self.content, Content, "content")


class Document(Struct, frozen=True, kw_only=True):
    """All that a service needs to serve prompts; immutable."""

    format: int = FORMAT
    registry_id: UUID
    epoch: _Number
    revision: _Number
    made_at: datetime
    names: dict[str, Name] = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)
    # Each an `Experiment`, read by `read_experiments`.
    experiments: list[Raw] = field(default_factory=list)

    @property
    def position(self) -> Position:
        return Position(self.registry_id, self.epoch, self.revision)

    def sha256(self) -> str:
        """64 hex digits that are equal for equal documents, whenever and however each was written."""
        hashed = hashlib.sha256()
        header = [
            self.format,
            self.registry_id,
            self.epoch,
            self.revision,
            {name: _sorted(each) for name, each in self.names.items()},
            [_sorted(each) for each in self.experiments],
        ]
        hashed.update(_encode(header))
        for version in sorted(self.versions, key=lambda each: (each.name, each.version)):
            hashed.update(b"\n")
            hashed.update(_encode(_sorted(version)))
        return hashed.hexdigest()

    def encode(self) -> bytes:
        """As it is sent and stored."""
        return msgspec.json.encode(self)


def _sorted(value: Any) -> Any:
    """What a text of JSON inside a struct means; of one that cannot be read, how it is written."""
    written = msgspec.json.encode(value)
    try:
        return msgspec.json.decode(written)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return written


_encode = msgspec.json.Encoder(order="sorted").encode


class _Head(Struct):
    format: int


_decode_head = msgspec.json.Decoder(_Head).decode
_decode = msgspec.json.Decoder(Document).decode


def decode(given: bytes) -> Document:
    """Unknown fields are ignored. Raises `DocumentError`, which quotes nothing of it."""
    if len(given) > BYTES_LIMIT:
        raise DocumentError(f"the registry's document has more than {BYTES_LIMIT:,} bytes")
    try:
        head = _decode_head(given)
        if head.format > FORMAT:
            raise NewerFormatError(
                f"the registry's document has format {head.format}, and this version of prompt-worker reads "
                f"format {FORMAT}: update prompt-worker here"
            )
        if head.format < 1:
            raise DocumentError("the registry's document has no format that was ever written")
        document = _decode(given)
    except msgspec.ValidationError as error:
        raise DocumentError(f"the registry's document is not one: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise DocumentError(
            f"the registry's document is not whole or not JSON: it ends or breaks within {len(given):,} bytes"
        ) from None
    _check(document)
    return document


def _check(document: Document) -> None:
    seen: set[tuple[str, int]] = set()
    active: set[str] = set()
    for each in document.versions:
        if (each.name, each.version) in seen:
            raise DocumentError(f"the registry's document has {short(each.name)}@{each.version} twice")
        if each.is_active and each.name in active:
            raise DocumentError(f"the registry's document has two active versions of {short(each.name)}")
        seen.add((each.name, each.version))
        if each.is_active:
            active.add(each.name)


def check_order(found: Position, known: Position | None) -> None:
    """Whether `found` may take the place of `known`: raises `AnotherRegistryError` or `OlderDocumentError`."""
    if known is None:
        return
    if found.registry_id != known.registry_id:
        raise AnotherRegistryError(
            f"this is the registry {found.registry_id}, not {known.registry_id} as before: "
            "restart the service if it was moved there on purpose"
        )
    if (found.epoch, found.revision) < (known.epoch, known.revision):
        raise OlderDocumentError(
            f"the registry is at {found} and was at {known}: if a backup was restored, "
            "run prompt-worker prompts new-epoch"
        )


def now() -> datetime:
    """For `made_at`."""
    return datetime.now(UTC)


def _part(given: Raw, kind: type[Part], part: str) -> Part:
    try:
        return msgspec.json.decode(given, type=kind)
    except msgspec.ValidationError as error:
        raise DocumentError(f"its {part} cannot be read: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise DocumentError(f"its {part} is not JSON") from None
