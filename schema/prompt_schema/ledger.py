"""Migrations, the files of a folder in order; and the ledger `schema_migrations`, a row for each applied one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text

from prompt_schema.errors import MigrationError

MIGRATIONS = Path(__file__).parent / "migrations"
# A row that is no migration's, without a checksum: from a takeover's first counting to the recount of what was there.
REBUILD_DUE = "statistics_rebuild_due"

_FILE = re.compile(r"(?P<number>\d{4})_(?P<version>[a-z0-9_]+)\.sql")
_OUTSIDE = re.compile(r"\A(?:--[^\n]*\n)*-- outside a transaction\b")


@dataclass(frozen=True)
class Migration:
    """One file `NNNN_version.sql`. The ledger's key is the version: phase 1 recorded its own without a number.

    `in_use` is the text of `in_use/NNNN_version.sql`, where there is one: it ends in the same schema, by steps that
    keep no writer of a table with rows waiting.
    """

    file: str
    version: str
    sql: str
    in_use: str | None = None

    @property
    def description(self) -> str:
        return self.sql.partition("\n")[0].removeprefix("-- ")

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def is_outside(sql: str) -> bool:
    """Whether its header says `-- outside a transaction`."""
    return _OUTSIDE.match(sql) is not None


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
        in_use = folder / "in_use" / path.name
        migrations.append(
            Migration(
                path.name,
                match["version"],
                path.read_text(encoding="utf-8"),
                in_use.read_text(encoding="utf-8") if in_use.exists() else None,
            )
        )
    if len({migration.version for migration in migrations}) < len(migrations):
        raise MigrationError("two migrations have the same name after their number; rename the newer one")
    return migrations


def pending(engine: Engine, migrations: Sequence[Migration]) -> list[Migration]:
    """Those that the database lacks, in order; only reads. Raises `MigrationError` when its history is another."""
    recorded = recorded_versions(engine)
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


def recorded_versions(engine: Engine) -> dict[str, str | None]:
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


def rebuild_is_due(engine: Engine) -> bool:
    """Whether a migration left out the recount of what was there, and none has caught up on it yet."""
    return REBUILD_DUE in recorded_versions(engine)
