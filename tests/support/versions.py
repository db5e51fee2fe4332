"""Versions of prompts, made and read with SQL as any program would."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

_CREATE = """
    INSERT INTO prompt_templates (name, version, category, template_text, is_active)
    VALUES (:name, :version, :category, :template_text, :is_active) RETURNING id
"""


def create(engine: Engine, name: str = "hints", version: int | None = None, **columns: object) -> UUID:
    """A version; the next one of its name without `version`."""
    values = {
        "name": name,
        "version": version,
        "category": None,
        "template_text": "Hello",
        "is_active": False,
    }
    with engine.begin() as connection:
        created: UUID = connection.execute(text(_CREATE), values | columns).scalar_one()
        return created


def activate(engine: Engine, template: UUID, **settings: str) -> None:
    """`settings` as `prompt_worker.NAME`."""
    with engine.begin() as connection:
        for name, value in settings.items():
            connection.execute(
                text("SELECT set_config('prompt_worker.' || :n, :v, true)"), {"n": name, "v": value}
            )
        connection.execute(
            text("UPDATE prompt_templates SET is_active = true WHERE id = :id"), {"id": template}
        )


def revision(engine: Engine) -> int:
    with engine.begin() as connection:
        return int(connection.scalar(text("SELECT revision FROM prompt_registry")) or 0)


def history(engine: Engine, subject: str = "hints") -> list[tuple[Any, ...]]:
    """Action, kind and version of each change, the first one first."""
    with engine.begin() as connection:
        found = connection.execute(
            text("SELECT action, kind, version FROM prompt_history WHERE subject = :subject ORDER BY id"),
            {"subject": subject},
        )
        return [tuple(row) for row in found]


def sqlstate(error: BaseException) -> str | None:
    """Of a driver's error, also behind SQLAlchemy's."""
    code: str | None = getattr(getattr(error, "orig", error), "pgcode", None)
    return code
