"""Documents of a registry for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from prompt_worker.prompts.content import Content
from prompt_worker.prompts.registry.document import Document, Name, Version

REGISTRY_ID = UUID("019a0000-0000-7000-8000-00000000000a")


def version(name: str, text: str, number: int = 1, **fields: Any) -> Version:
    content = Content(template_text=text)
    given = {"is_active": True, "content_sha256": content.sha256} | fields
    return Version(name=name, version=number, content=msgspec.Raw(msgspec.json.encode(content)), **given)


def document(revision: int = 1, *versions: Version, **fields: Any) -> Document:
    given = {"registry_id": REGISTRY_ID, "epoch": 1, "made_at": datetime.now(UTC)} | fields
    names = {each.name: Name() for each in versions}
    return Document(revision=revision, names=names, versions=list(versions), **given)
