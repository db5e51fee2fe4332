"""Brings a database to the newest schema, whether it is empty or was made by phase 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import sleep

from sqlalchemy import Engine, text

from prompt_schema.applying import apply
from prompt_schema.errors import MigrationError
from prompt_schema.folding import fold
from prompt_schema.in_use import text_in_use
from prompt_schema.ledger import (
    MIGRATIONS,
    REBUILD_DUE,
    Migration,
    is_outside,
    pending,
    read,
    rebuild_is_due,
    recorded_versions,
)
from prompt_schema.partitions import make_partitions
from prompt_schema.script import split
from prompt_schema.statistics import catch_up
from prompt_schema.takeover.carrying_out import plan_takeover, take_over
from prompt_schema.takeover.plan import Plan

__all__ = ["MIGRATIONS", "Migration", "MigrationPlan", "migrate", "pending", "plan", "read"]

OLDEST_SERVER = 15

_LOCK = 7020100946810383
_PARTITION_OBSTACLES = text(
    (Path(__file__).parent / "sql" / "partition_obstacles.sql").read_text(encoding="utf-8")
)
_CHECK_SECONDS = 0.25


def migrate(
    engine: Engine, report: Callable[[str], None] = lambda _: None, folder: Path = MIGRATIONS
) -> list[str]:
    """Applies what is pending, in order, and returns the versions applied now.

    Each migration is a transaction, or steps as its header says; runners at the same time wait for each other. `report`
    is called with a line for each migration and step, when one waits for others, and with the server's warnings.
    Raises `MigrationError`.
    """
    migrations = read(folder)
    applied = []
    with _alone(engine):
        todo = pending(engine, migrations)
        if takes_over(engine, migrations, todo):
            take_over(engine, report)
        elif todo:
            _check_encoding(engine)
        in_use = is_in_use(migrations, todo)
        for migration in todo:
            apply(engine, migration, text_in_use(migration) if in_use else migration.sql, report)
            report(f"applied {migration.file}: {migration.description}")
            applied.append(migration.version)
        if rebuild_is_due(engine):
            catch_up(engine, report)
        fold(engine)
    # Beside other runners: an index is built while nobody holds a snapshot.
    if folder == MIGRATIONS:
        make_partitions(engine, report=report)
    return applied


@dataclass(frozen=True)
class MigrationPlan:
    """What `migrate` would do now: the takeover of a live database, where it is one, and then these files.

    `steps` has those of each file that runs outside a transaction; `obstacles` what will stop one of them, and what
    to do about it; `recounts` says whether counters are rebuilt at the end.
    """

    takeover: Plan | None
    files: list[str]
    steps: dict[str, list[str]]
    obstacles: list[str]
    recounts: bool

    def lines(self) -> Iterator[str]:
        """For people, a line each."""
        if self.takeover and self.takeover.steps:
            yield "takeover, all changes in one transaction (locks prompt_executions until it ends)"
        for line in self.takeover.lines() if self.takeover else ():
            yield f"takeover, {line}"
        for obstacle in self.obstacles:
            yield f"stops: {obstacle}"
        for file in self.files:
            how = (
                "outside a transaction:"
                if file in self.steps
                else "one transaction (locks what it changes for a moment)"
            )
            yield f"migration {file}, {how}"
            for number, step in enumerate(self.steps.get(file, ()), 1):
                yield f"  step {number}: {step}"
        if self.recounts:
            yield "then the counters are recounted from the rows (no writer waits)"


def plan(engine: Engine, folder: Path = MIGRATIONS) -> MigrationPlan:
    """Reads only. Raises `MigrationError`."""
    migrations = read(folder)
    todo = pending(engine, migrations)
    takeover = plan_takeover(engine) if takes_over(engine, migrations, todo) else None
    if takeover is None and todo:
        _check_encoding(engine)
    in_use = is_in_use(migrations, todo)
    texts = {migration.file: text_in_use(migration) if in_use else migration.sql for migration in todo}
    steps = {
        file: [statement.why for statement in split(sql)] for file, sql in texts.items() if is_outside(sql)
    }
    recounts = rebuild_is_due(engine) or any(REBUILD_DUE in sql for sql in texts.values())
    return MigrationPlan(takeover, list(texts), steps, _obstacles(engine, todo), recounts)


def _obstacles(engine: Engine, todo: Sequence[Migration]) -> list[str]:
    """What the migration that makes partitions would stop at, as it says it."""
    for migration in todo:
        if migration.version == "partitions":
            with engine.connect() as connection:
                connection.execute(text("SET LOCAL search_path = public, pg_temp"))
                found = connection.execute(_PARTITION_OBSTACLES).all()
            return [
                f"{migration.file}: {what} {why}. Drop it, migrate, and create it again"
                for what, why in found
            ]
    return []


def takes_over(engine: Engine, migrations: Sequence[Migration], todo: Sequence[Migration]) -> bool:
    """Whether phase 1 made this database, and nothing has happened to it since."""
    return (
        bool(migrations)
        and list(todo) == list(migrations[1:])
        and recorded_versions(engine)[migrations[0].version] is None
    )


def is_in_use(migrations: Sequence[Migration], todo: Sequence[Migration]) -> bool:
    """Whether there may be rows, and others who write them: the tables were not made by what is pending."""
    return bool(todo) and todo[0] != migrations[0]


def _check_encoding(engine: Engine) -> None:
    """What a takeover finds among the rest, where there is nothing to take over."""
    with engine.connect() as connection:
        encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise MigrationError(
            f"the database's encoding is {encoding}, which cannot hold every prompt: "
            "make a new database with ENCODING 'UTF8'"
        )


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    # The lock belongs to a transaction that does nothing else, so it holds behind a transaction pooler too.
    with engine.begin() as connection:
        version = int(connection.scalar(text("SHOW server_version_num")) or 0) // 10000
        if version < OLDEST_SERVER:
            raise MigrationError(f"PostgreSQL {version} is too old: use {OLDEST_SERVER} or newer")
        # However long another runner takes, we wait for it.
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        # Asked again and again: one statement that waited would hold a snapshot, and whoever builds an index
        # concurrently waits for all of these.
        while not connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}):
            sleep(_CHECK_SECONDS)
        yield
