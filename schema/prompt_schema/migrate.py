"""Brings a database to the newest schema, whether it is empty or was made by phase 1.

The ledger is the table `schema_migrations`: a row for each applied migration, with the checksum of its file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from sqlalchemy import Engine, text

from prompt_schema.errors import MigrationError
from prompt_schema.folding import fold
from prompt_schema.partitions import make_partitions
from prompt_schema.refusal import PATIENCE, explain
from prompt_schema.takeover.carrying_out import plan_takeover, take_over
from prompt_schema.takeover.plan import Plan

MIGRATIONS = Path(__file__).parent / "migrations"
OLDEST_SERVER = 15

_LOCK = 7020100946810383
_FILE = re.compile(r"(?P<number>\d{4})_(?P<version>[a-z0-9_]+)\.sql")
_LEDGER = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
        version varchar(255) PRIMARY KEY, description text, executed_at timestamp DEFAULT now());
    ALTER TABLE schema_migrations ADD COLUMN IF NOT EXISTS checksum varchar(64);
"""


@dataclass(frozen=True)
class Migration:
    """One file `NNNN_version.sql`. The ledger's key is the version: phase 1 recorded its own without a number."""

    file: str
    version: str
    sql: str

    @property
    def description(self) -> str:
        return self.sql.partition("\n")[0].removeprefix("-- ")

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrate(
    engine: Engine, report: Callable[[str], None] = lambda _: None, folder: Path = MIGRATIONS
) -> list[str]:
    """Applies what is pending, in order, and returns the versions applied now.

    Each migration is a transaction; runners at the same time wait for each other. `report` is called with a line for
    each migration, and with the server's warnings. Raises `MigrationError`.
    """
    migrations = read(folder)
    applied = []
    with _alone(engine):
        todo = pending(engine, migrations)
        if takes_over(engine, migrations, todo):
            take_over(engine, report)
        elif todo:
            _check_encoding(engine)
        for migration in todo:
            _apply(engine, migration, report)
            report(f"applied {migration.file}: {migration.description}")
            applied.append(migration.version)
        fold(engine)
    # Beside other runners: an index is built while nobody holds a snapshot.
    if folder == MIGRATIONS:
        make_partitions(engine, report=report)
    return applied


@dataclass(frozen=True)
class MigrationPlan:
    """What `migrate` would do now: the takeover of a live database, where it is one, and then these files."""

    takeover: Plan | None
    files: list[str]


def plan(engine: Engine, folder: Path = MIGRATIONS) -> MigrationPlan:
    """Reads only. Raises `MigrationError`."""
    migrations = read(folder)
    todo = pending(engine, migrations)
    takeover = plan_takeover(engine) if takes_over(engine, migrations, todo) else None
    if takeover is None and todo:
        _check_encoding(engine)
    return MigrationPlan(takeover, [migration.file for migration in todo])


def takes_over(engine: Engine, migrations: Sequence[Migration], todo: Sequence[Migration]) -> bool:
    """Whether phase 1 made this database, and nothing has happened to it since."""
    return (
        bool(migrations)
        and list(todo) == list(migrations[1:])
        and _ledger(engine)[migrations[0].version] is None
    )


def read(folder: Path = MIGRATIONS) -> list[Migration]:
    """The migrations of a folder in order. Raises `MigrationError` for a name, a gap or a number that is wrong."""
    migrations: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name}: name it NNNN_what_it_does.sql, in lower case")
        expected = len(migrations) + 1
        if int(match["number"]) != expected:
            problem = "is used twice" if int(match["number"]) < expected else "is missing"
            number = min(int(match["number"]), expected)
            raise MigrationError(
                f"{path.name}: migration number {number:04} {problem}; number the files without gaps from 0001"
            )
        migrations.append(Migration(path.name, match["version"], path.read_text(encoding="utf-8")))
    if len({migration.version for migration in migrations}) < len(migrations):
        raise MigrationError("two migrations have the same name after their number; rename the newer one")
    return migrations


def pending(engine: Engine, migrations: Sequence[Migration]) -> list[Migration]:
    """Those that the database lacks, in order; only reads. Raises `MigrationError` when its history is another."""
    recorded = _ledger(engine)
    applied = [migration for migration in migrations if migration.version in recorded]
    for migration in applied:
        if recorded[migration.version] not in (None, migration.checksum):
            raise MigrationError(
                f"{migration.file} was edited after this database applied it: "
                "restore the file, and put the change into a new migration"
            )
    # Without a checksum it is another program's: the ledger is shared.
    unknown = {version for version, checksum in recorded.items() if checksum}
    unknown -= {migration.version for migration in migrations}
    if unknown:
        raise MigrationError(
            f"the database has migrations that this prompt-worker lacks ({', '.join(sorted(unknown))}): "
            "use the newer version that applied them"
        )
    if applied != list(migrations[: len(applied)]):
        skipped = next(migration for migration in migrations if migration.version not in recorded)
        raise MigrationError(
            f"{skipped.file} was never applied here, but later ones were: it came in between. "
            "Give it the next free number"
        )
    return list(migrations[len(applied) :])


def _check_encoding(engine: Engine) -> None:
    """What a takeover finds among the rest, where there is nothing to take over."""
    with engine.connect() as connection:
        encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise MigrationError(
            f"the database's encoding is {encoding}, which cannot hold every prompt: "
            "make a new database with ENCODING 'UTF8'"
        )


def _ledger(engine: Engine) -> dict[str, str | None]:
    with engine.connect() as connection:
        has_checksum = connection.scalar(
            text(
                "SELECT bool_or(attname = 'checksum') FROM pg_attribute "
                "WHERE attrelid = to_regclass('public.schema_migrations') AND attnum > 0"
            )
        )
        if has_checksum is None:
            return {}
        checksum = "checksum" if has_checksum else "NULL AS checksum"
        rows = connection.execute(text(f"SELECT version, {checksum} FROM public.schema_migrations"))  # noqa: S608
        return {row.version: row.checksum for row in rows}


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    # The lock belongs to a transaction that does nothing else, so it holds behind a transaction pooler too.
    with engine.begin() as connection:
        version = int(connection.scalar(text("SHOW server_version_num")) or 0) // 10000
        if version < OLDEST_SERVER:
            raise MigrationError(f"PostgreSQL {version} is too old: use {OLDEST_SERVER} or newer")
        # However long another runner takes, we wait for it.
        for limit in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(text(f"SET LOCAL {limit} = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        yield


def _apply(engine: Engine, migration: Migration, report: Callable[[str], None]) -> None:
    # The driver's own cursor: without parameters it leaves `%` alone, and it keeps the warnings.
    with closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        try:
            cursor.execute(PATIENCE + _LEDGER)
            cursor.execute(
                "INSERT INTO schema_migrations (version, description, checksum) VALUES (%s, %s, %s)",
                (migration.version, migration.description, migration.checksum),
            )
            cursor.execute(migration.sql)
            connection.commit()
        except psycopg2.Error as error:
            raise MigrationError(explain(migration.file, error)) from error
        warnings: list[str] = cursor.connection.notices
        for warning in warnings:
            report(warning.strip())
        warnings.clear()
