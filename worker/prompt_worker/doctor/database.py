"""Checks of the database: its settings, its version, its schema, its guardrails, and how old its newest row is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import psycopg2
from psycopg2.extensions import cursor
from sqlalchemy.exc import DBAPIError

from prompt_schema.errors import MigrationError
from prompt_schema.partitions import months_ahead, partitions
from prompt_schema.verify import Check, verify
from prompt_worker.platform.failures import DeploymentError, SettingsError
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.errors import explain
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.settings import DatabaseSettings, read

OLDEST_VERSION = 150000
# Ahead: enough to notice, and to act on a working day.
FEWEST_MONTHS = 2

_LAG = statement(__name__, "lag")


def examine_database() -> Iterator[Check]:
    """What depends on a failed check is left out."""
    try:
        session = Session(connect(read(DatabaseSettings).url, application_name="prompt-worker doctor"))
    except SettingsError as error:
        yield Check("database settings", False, str(error))
        return
    yield Check("database settings", True, "")
    try:
        version = session.server_version()
    except DeploymentError as error:
        yield Check("database reachable", False, str(error))
        return
    yield Check("database reachable", True, "")
    yield Check(
        "database version",
        version >= OLDEST_VERSION,
        f"PostgreSQL {version // 10000} is too old: 15 to 18 are supported",
    )
    try:
        yield from _examine_contents(session)
    except (DeploymentError, MigrationError) as error:
        yield Check("database readable", False, str(error))
    except DBAPIError as error:
        yield Check("database readable", False, str(explain(cast(psycopg2.Error, error.orig))))


def _examine_contents(session: Session) -> Iterator[Check]:
    failed = [check for check in verify(session.engine, exercise=False) if not check.ok]
    yield from failed
    if not failed:
        yield Check("database schema", True, "")
        yield _months(session)
        yield from _examine_guardrails(session)
        yield _lag(session)


def _examine_guardrails(session: Session) -> Iterator[Check]:
    try:
        from prompt_worker.guardrails.recording.owners import list_guardrails, why_unusable
    except ModuleNotFoundError as error:
        hint = f"{error.name} is not installed: pip install 'prompt-worker[guardrails]'"
        yield Check("guardrails", False, hint)
        return
    guardrails = list_guardrails(session)
    refused = 0
    for guardrail in guardrails:
        if reason := why_unusable(guardrail):
            refused += 1
            yield Check(f"guardrail {guardrail.name}", False, f"not applied: {reason}")
    yield Check(f"guardrails: {len(guardrails) - refused} of {len(guardrails)} are applied", True, "")


def _months(session: Session) -> Check:
    ahead = months_ahead(partitions(session.engine))
    return Check(
        f"partitions: {ahead} months ahead",
        ahead >= FEWEST_MONTHS,
        "run 'prompt-worker partitions' as the owner of the tables, each month",
    )


def _lag(session: Session) -> Check:
    seconds = session.once(_newest_age)
    if seconds is None:
        return Check("lag: no execution stored yet", True, "")
    return Check(f"lag: newest stored execution is {seconds:.0f} s old", True, "")


def _newest_age(cursor: cursor) -> float | None:
    cursor.execute(_LAG)
    (seconds,) = cursor.fetchone() or (None,)
    return None if seconds is None else float(seconds)
