"""Verifies that a database is what the migrations make of one: each object is compared, and the triggers are used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from prompt_schema.catalog import Catalog, actual, expected
from prompt_schema.errors import MigrationError
from prompt_schema.ledger import pending, read, rebuild_is_due

_FROZEN = "content of versions that were served is frozen"
_RECORDED = (
    "no: it may change in place, and the history records it. Once every program makes new versions instead, run: "
    "UPDATE prompt_registry SET \"freeze\" = 'enforce'"
)
_EXERCISES = Path(__file__).parent / "verify" / "exercises"


@dataclass(frozen=True)
class Check:
    """One line of the report; `hint` says what to do when it is not ok, or what to know where it is a `warning`."""

    name: str
    ok: bool
    hint: str
    warning: bool = False


def verify(engine: Engine, *, exercise: bool = True) -> Iterator[Check]:
    """Compares everything with the contract, then uses it in transactions that are rolled back.

    Comparing needs to read `schema_migrations` only; exercising needs the rights of the tables' owner. Where
    migrations are pending nothing else is checked. Raises `OperationalError` without a connection.
    """
    try:
        missing = pending(engine, read())
    except MigrationError as error:
        yield Check("migrations", False, str(error))
        return
    files = ", ".join(migration.file for migration in missing)
    yield Check("migrations", not missing, f"not applied: {files}; run 'prompt-worker migrate'")
    if missing:
        return
    yield Check(
        "counters count what a takeover found",
        not rebuild_is_due(engine),
        "the takeover was interrupted before their recount; run 'prompt-worker migrate'",
    )
    with engine.connect() as connection:
        found = actual(connection)
        connection.rollback()
        yield from _compare(expected(), found)
        if exercise:
            for path in sorted(_EXERCISES.glob("*.sql")):
                yield _exercise(connection, path)
            yield _freeze(connection)


def _compare(wanted: Catalog, found: Catalog) -> Iterator[Check]:
    """A line for each object; the columns of a table, and the grants of a role, share a line while all are right."""
    for kind, definitions in wanted.items():
        there = found.get(kind, {})
        for group, names in groupby(sorted(definitions), key=lambda name: _group(kind, name)):
            wrong = [name for name in names if there.get(name) != definitions[name]]
            if not wrong:
                yield Check(group, True, "")
            for name in wrong:
                yield Check(f"{kind} {name}", False, _hint(kind, name, definitions[name], there.get(name)))


def _group(kind: str, name: str) -> str:
    if kind == "column":
        return f"table {name.partition('.')[0]}"
    if kind == "grant":
        return f"grants of {name.partition(' on ')[0]}"
    return f"{kind} {name}"


def _hint(kind: str, name: str, wanted: str, found: str | None) -> str:
    table, _, rule = name.partition(" ")
    if found is None:
        commands = {"index": wanted, "trigger": wanted, "constraint": f"ALTER TABLE {table} ADD {rule}"}
        return f"is missing; run: {commands[kind]}" if kind in commands else "is missing; see the migrations"
    if found.endswith("(disabled)"):
        table = wanted.partition(" ON public.")[2].partition(" ")[0]
        return f"is disabled; run: ALTER TABLE {table} ENABLE TRIGGER {name}"
    if kind == "partitions":
        return (
            f"{found}: 'prompt-worker partitions' builds an index; a trigger or a right, see the migrations"
        )
    if kind == "constraint":
        return f"{found}; fix the old rows, then VALIDATE CONSTRAINT it on {table}"
    return f"is: {found or 'nothing'}; should be: {wanted or 'nothing'}. Change it back, see the migrations"


def _freeze(connection: Connection) -> Check:
    """Warns where texts of versions that were served may change, as a takeover leaves it."""
    recorded = False
    try:
        recorded = connection.scalar(text('SELECT "freeze" FROM public.prompt_registry')) == "record"
    except DBAPIError as error:
        return Check(_FROZEN, False, _what_failed(error))
    finally:
        connection.rollback()
    return Check(_FROZEN, True, _RECORDED if recorded else "", warning=recorded)


def _exercise(connection: Connection, path: Path) -> Check:
    sql = path.read_text(encoding="utf-8")
    name = sql.partition("\n")[0].removeprefix("-- ")
    try:
        connection.execution_options(no_parameters=True).exec_driver_sql(
            "SET LOCAL search_path = public, pg_temp; SET LOCAL plpgsql.check_asserts = on;" + sql
        )
    except DBAPIError as error:
        return Check(name, False, _what_failed(error))
    finally:
        connection.rollback()
    return Check(name, True, "")


def _what_failed(error: DBAPIError) -> str:
    diagnosis = getattr(error.orig, "diag", None)
    if diagnosis is None or diagnosis.message_primary is None:
        return f"the connection failed: {error.orig}"
    if diagnosis.sqlstate == "42501":
        return f"{diagnosis.message_primary}: verify as the owner of the tables"
    if diagnosis.sqlstate == "25006":
        return f"{diagnosis.message_primary}: verify on the primary"
    if diagnosis.sqlstate in ("55P03", "57014"):
        return f"{diagnosis.message_primary}: another session holds a lock; verify again"
    return str(diagnosis.message_primary)
