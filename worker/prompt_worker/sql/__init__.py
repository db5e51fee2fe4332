"""The statements of the hot path, each a file to read."""

from pathlib import Path


def statement(name: str) -> str:
    """The text of `worker/prompt_worker/sql/NAME.sql`."""
    return (Path(__file__).parent / f"{name}.sql").read_text(encoding="utf-8")
