"""The tables of phase 1: as they are in this database, and as file 0001 makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from psycopg2.extensions import cursor

FIRST = Path(__file__).parents[1] / "migrations" / "0001_enterprise_prompt_system_phase1.sql"
TABLES = ("prompt_templates", "prompt_executions", "prompt_guardrails", "ab_test_experiments")


def query(name: str) -> str:
    """The text of `sql/NAME.sql`."""
    return (files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Column:
    """`type` as PostgreSQL spells it; `computed` for a generated or an identity column."""

    type: str
    required: bool
    default: str | None
    computed: bool = False


@dataclass(frozen=True)
class Key:
    """A primary key (`kind` p) or a unique constraint (u) over `columns`."""

    name: str
    kind: str
    columns: tuple[str, ...]
    deferrable: bool = False


@dataclass
class Table:
    """`relkind` and `owner` as pg_class has them; `owned` where this login has the owner's rights."""

    relkind: str = "r"
    owned: bool = True
    owner: str = ""
    row_security: bool = False
    columns: dict[str, Column] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=list)

    def key(self, kind: str, columns: Sequence[str]) -> Key | None:
        """The one over exactly these columns."""
        wanted = set(columns)
        return next((key for key in self.keys if key.kind == kind and set(key.columns) == wanted), None)


Shape = dict[str, Table]


def read_shape(cursor: cursor, schema: str) -> Shape:
    """The tables that are in `schema`, an expression for its oid."""
    cursor.execute(f"SELECT {schema}")
    ((oid,),) = cursor.fetchall()
    which = {"schema": oid, "tables": list(TABLES)}
    cursor.execute(query("tables"), which)
    shape = {
        name: Table(relkind, owned, owner, row_security)
        for name, relkind, owned, owner, row_security in cursor.fetchall()
    }
    cursor.execute(query("columns"), which)
    for table, name, type_, required, default, computed in cursor.fetchall():
        shape[table].columns[name] = Column(type_, required, default, computed)
    cursor.execute(query("keys"), which)
    for table, name, kind, deferrable, columns in cursor.fetchall():
        shape[table].keys.append(Key(name, kind, tuple(columns), deferrable))
    return shape


def contract_shape(cursor: cursor) -> Shape:
    """What PostgreSQL itself makes of file 0001: as temporary tables, which are gone again when this returns."""
    cursor.execute("SAVEPOINT contract; SET LOCAL search_path = pg_temp")
    cursor.execute(FIRST.read_text(encoding="utf-8"))
    shape = read_shape(cursor, "pg_my_temp_schema()")
    cursor.execute("ROLLBACK TO SAVEPOINT contract")
    return shape


def create_table(name: str) -> str:
    """The statement of file 0001 that makes it."""
    first = FIRST.read_text(encoding="utf-8")
    start = first.index(f"CREATE TABLE {name} (")
    return first[start : first.index("\n);", start) + len("\n);")]
