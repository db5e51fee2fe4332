"""An SQL script as its statements, for one that runs outside a transaction: each of them is then sent alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# What may hold a semicolon that ends nothing, and the one that ends a statement.
_TOKEN = re.compile(
    r"\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|(?P<end>;)", re.DOTALL
)
_COMMENTS = re.compile(r"(?:\s*--[^\n]*\n|\s*/\*.*?\*/)*\s*", re.DOTALL)
# PostgreSQL refuses these inside a transaction.
_ALONE = re.compile(
    r"\bCONCURRENTLY\b|\A(VACUUM|CALL|CREATE DATABASE|ALTER SYSTEM)\b|\A(DO)\b.*\bCOMMIT\s*;",
    re.IGNORECASE | re.DOTALL,
)
_INDEX = re.compile(
    r"\ACREATE (?:UNIQUE )?INDEX CONCURRENTLY (?:IF NOT EXISTS )?(?P<name>\w+) ON (?:ONLY )?(?P<table>[\w.]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Statement:
    """`why` is the comment right above it, or its first line."""

    sql: str
    why: str

    @property
    def alone(self) -> bool:
        """Whether it can only run outside a transaction."""
        return _ALONE.search(self.sql) is not None

    @property
    def builds_index(self) -> tuple[str, str] | None:
        """The index that it builds beside writers, and its table."""
        match = _INDEX.match(self.sql)
        return (match["name"], match["table"]) if match else None


def split(script: str) -> Iterator[Statement]:
    start = 0
    for token in _TOKEN.finditer(script):
        if token["end"]:
            yield from _statement(script[start : token.start()])
            start = token.end()
    yield from _statement(script[start:])


def _statement(text: str) -> Iterator[Statement]:
    comments = _COMMENTS.match(text)
    sql = text[comments.end() if comments else 0 :].strip()
    if not sql:
        return
    above = text[: text.index(sql)].rstrip().split("\n\n")[-1]
    said = [
        line.strip().removeprefix("--").strip()
        for line in above.splitlines()
        if line.strip().startswith("--")
    ]
    yield Statement(sql, " ".join(said) or sql.partition("\n")[0])
