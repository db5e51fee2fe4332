"""Statements of SQL, each a file in the folder `sql` beside the module that uses it."""

from importlib.resources import files


def statement(module: str, name: str) -> str:
    """The text of `sql/NAME.sql` beside `module`, the `__name__` of the calling module."""
    return (files(module.rpartition(".")[0]) / "sql" / f"{name}.sql").read_text(encoding="utf-8")
