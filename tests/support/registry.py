"""Registries for tests: documents in a file, and a database that an owner changes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extras import Json

from prompt_worker import PromptTemplateService
from prompt_worker.prompts.content import Content
from prompt_worker.prompts.registry.document import Document, decode

REGISTRY = "0198c0de-0000-7000-8000-000000000001"
OTHER = "0198c0de-0000-7000-8000-000000000002"
EXPERIMENT = "0198c0de-0000-7000-8000-0000000000e1"


def version(name: str, number: int, text: str, *, active: bool = True, **fields: Any) -> dict[str, Any]:
    """One of a document. Fields of the content are given by their names."""
    given = {key: fields.pop(key) for key in tuple(fields) if key in Content.__struct_fields__}
    content = Content(template_text=text, **given)
    made = {
        "name": name,
        "version": number,
        "is_active": active,
        "content_sha256": content.sha256,
        "content": json.loads(json.dumps({**_fields(content)})),
    }
    return made | fields


def _fields(content: Content) -> dict[str, Any]:
    import msgspec

    fields: dict[str, Any] = msgspec.to_builtins(content)
    return fields


def experiment(
    template_name: str, arms: Mapping[str, Any], ranges: list[list[Any]], **changes: Any
) -> dict[str, Any]:
    """One of a document that runs; `arms` are ids of templates. `...` leaves a field out."""
    made = {
        "name": "wording",
        "experiment_id": EXPERIMENT,
        "template_name": template_name,
        "kind": "test",
        "unit_kind": "user",
        "environment": None,
        "phase": 1,
        "seed": EXPERIMENT,
        "ranges": ranges,
        "arms": arms,
    }
    return {key: value for key, value in (made | changes).items() if value is not ...}


def document(
    *versions: Mapping[str, Any], revision: int = 1, names: Mapping[str, Any] | None = None, **changes: Any
) -> bytes:
    """As a source has it."""
    made = {
        "format": 1,
        "registry_id": REGISTRY,
        "epoch": 1,
        "revision": revision,
        "made_at": "2026-11-26T08:00:00Z",
        "names": {each["name"]: {} for each in versions} | dict(names or {}),
        "versions": versions,
        "experiments": [],
    }
    return json.dumps(made | changes).encode()


def read(*versions: Mapping[str, Any], **changes: Any) -> Document:
    return decode(document(*versions, **changes))


class FileRegistry:
    """A registry in a file; services of it start with what it has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "registry.json"
        self.revision = 0
        self._services: list[PromptTemplateService] = []

    def write(self, *versions: Mapping[str, Any], **changes: Any) -> None:
        """The next revision, whole."""
        self.revision = changes.pop("revision", self.revision + 1)
        self.put(document(*versions, revision=self.revision, **changes))

    def put(self, content: bytes) -> None:
        beside = self.path.with_suffix(".new")
        beside.write_bytes(content)
        beside.replace(self.path)

    def service(self, builtin: Path | None = None, **arguments: Any) -> PromptTemplateService:
        """Not started."""
        given = {"registry": f"file://{self.path}", "last_good": self.folder / "last-good", **arguments}
        made = PromptTemplateService(builtin, **given)
        self._services.append(made)
        return made

    def started(self, builtin: Path | None = None, **arguments: Any) -> PromptTemplateService:
        made = self.service(builtin, **arguments)
        assert made.start(wait=20), made.health()
        return made

    def kept(self, folder: Path | None = None) -> list[Path]:
        """The last good files."""
        return sorted((folder or self.folder / "last-good").glob("*.json"))

    def keep(self, folder: Path | None = None) -> None:
        """A service starts, keeps what it read, and ends."""
        service = self.started(**({"last_good": folder} if folder else {}))
        soon(lambda: self.kept(folder))
        service.close()

    def close(self) -> None:
        for service in self._services:
            service.close()


class Owner:
    """Somebody who changes a database's prompts, each change in a transaction of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    def run(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self.url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def create(self, name: str, text: str, number: int, *, active: bool = True, **fields: Any) -> str:
        """The id of a new version."""
        columns = {
            "name": name,
            "template_text": text,
            "version": number,
            "is_active": active,
            **{key: Json(each) if isinstance(each, list | dict) else each for key, each in fields.items()},
        }
        marks = ", ".join(["%s"] * len(columns))
        ((made,),) = self.run(
            f"INSERT INTO prompt_templates ({', '.join(columns)}) VALUES ({marks}) RETURNING id::text",
            *columns.values(),
        )
        return str(made)

    def activate(self, name: str, number: int) -> None:
        self.run(
            "UPDATE prompt_templates SET is_active = true WHERE name = %s AND version = %s", name, number
        )

    def label(self, name: str, label: str, number: int) -> None:
        self.run(
            "INSERT INTO prompt_labels (name, label, template_id) SELECT name, %s, id FROM prompt_templates "
            "WHERE name = %s AND version = %s "
            "ON CONFLICT (name, label) DO UPDATE SET template_id = excluded.template_id",
            label,
            name,
            number,
        )

    def revision(self) -> int:
        ((found,),) = self.run("SELECT revision FROM prompt_registry")
        return int(found)


def soon(condition: Callable[[], object], seconds: float = 30.0) -> float:
    """Waits for it; after how many seconds it held. Fails the test when it does not."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "it did not happen in time"
        time.sleep(0.005)
    return time.monotonic() - started
