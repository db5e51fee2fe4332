"""SQL in tests: each call is a transaction of its own."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, text


def rows(engine: Engine, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
    with engine.begin() as connection:
        result = connection.execute(text(sql), parameters)
        return [tuple(row) for row in result] if result.returns_rows else []


def scalar(engine: Engine, sql: str, **parameters: object) -> Any:
    return rows(engine, sql, **parameters)[0][0]


def change_in_place(engine: Engine) -> None:
    """As in a database that was taken over: names, numbers and texts of versions may change until an owner enforces."""
    rows(engine, "UPDATE prompt_registry SET \"freeze\" = 'record'")


def run_script(engine: Engine, sql: str) -> None:
    """Several statements, in which `:` and `%` mean nothing."""
    with engine.begin() as connection:
        connection.execution_options(no_parameters=True).exec_driver_sql(sql)
