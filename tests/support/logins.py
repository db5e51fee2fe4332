"""Real logins of a database: what the server itself says that each may do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, text

from prompt_worker.platform.postgres.engine import connect


@dataclass(frozen=True)
class Login:
    """A login and its connections. Each call is a transaction of its own."""

    name: str
    engine: Engine

    def rows(self, sql: str, *, settings: dict[str, str] | None = None, **parameters: object) -> list[Any]:
        """`settings` are made for this transaction alone, as `prompt_worker.NAME`."""
        with self.engine.begin() as connection:
            for name, value in (settings or {}).items():
                connection.execute(
                    text("SELECT set_config('prompt_worker.' || :name, :value, true)"),
                    {"name": name, "value": value},
                )
            result = connection.execute(text(sql), parameters)
            return [tuple(row) for row in result] if result.returns_rows else []


@contextmanager
def logins(engine: Engine, **roles: str) -> Iterator[list[Login]]:
    """One for each `who="role, role"`; their names end with the database's, since logins belong to the server."""
    made = []
    try:
        for who, granted in roles.items():
            name = f"{who}_{engine.url.database}"
            with engine.begin() as connection:
                connection.execute(text(f"CREATE ROLE {name} LOGIN IN ROLE {granted}"))
            url = engine.url.set(username=name).render_as_string(hide_password=False)
            made.append(
                Login(name, connect(url.replace("+psycopg2", ""), application_name="test", pool_size=2))
            )
        yield made
    finally:
        for login in made:
            login.engine.dispose()
            with engine.begin() as connection:
                connection.execute(text(f"DROP OWNED BY {login.name}; DROP ROLE {login.name}"))
