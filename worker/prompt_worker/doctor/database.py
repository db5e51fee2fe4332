"""Checks of the database: its settings, version and schema, who may create in it, guardrails, the newest row's age."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import cast

import psycopg2
from psycopg2.extensions import cursor
from sqlalchemy.exc import DBAPIError

from prompt_schema.errors import MigrationError
from prompt_schema.partitions import months_ahead, partitions
from prompt_schema.verify import Check, verify
from prompt_worker.doctor.registry import examine_registry
from prompt_worker.doctor.rights import Worker
from prompt_worker.platform.failures import DeploymentError, SettingsError
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.errors import READ_ONLY, explain
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.settings import DatabaseSettings, read

OLDEST_VERSION = 150000
# Ahead: enough to notice, and to act on a working day.
FEWEST_MONTHS = 2

_LAG = statement(__name__, "lag")
_PUBLIC_SCHEMA = statement(__name__, "public_schema")
_HAS_ROLE = statement(__name__, "has_role")
_ROLES: dict[Worker, str] = {
    "executions": "prompt_execution_worker",
    "guardrails": "prompt_guardrail_worker",
    "feedback": "prompt_feedback_worker",
    "dead-letters": "prompt_dead_letter_worker",
}


def examine_database(worker: Worker | None = None) -> Iterator[Check]:
    """With a `worker`, its role instead of guardrails and lag. What depends on a failed check is left out."""
    try:
        url = read(DatabaseSettings).url
        session = Session(connect(url, application_name="prompt-worker doctor"))
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
        yield session.once(_writable)
        yield session.once(_public_schema)
        if worker:
            yield session.once(partial(_has_role, _ROLES[worker]))
        yield from _examine_contents(session, url, worker)
    except (DeploymentError, MigrationError) as error:
        yield Check("database readable", False, str(error))
    except DBAPIError as error:
        yield Check("database readable", False, str(explain(cast(psycopg2.Error, error.orig))))


def _writable(cursor: cursor) -> Check:
    cursor.execute("SHOW transaction_read_only")
    return Check("database writable", cursor.fetchall() == [("off",)], READ_ONLY)


def _public_schema(cursor: cursor) -> Check:
    cursor.execute(_PUBLIC_SCHEMA)
    for everybody, owner in cursor:
        if everybody:
            return Check(
                "schema public",
                True,
                "everybody may create tables, functions and operators in it. As an administrator, or as its owner "
                f"{owner}, run: REVOKE CREATE ON SCHEMA public FROM PUBLIC",
                warning=True,
            )
    return Check("schema public: not everybody may create in it", True, "")


def _has_role(role: str, cursor: cursor) -> Check:
    cursor.execute(_HAS_ROLE, {"role": role})
    ((login, granted),) = cursor.fetchall()
    return Check(f"login {login} has the role {role}", granted, f'no: GRANT {role} TO "{login}"')


def _examine_contents(session: Session, url: str, worker: Worker | None) -> Iterator[Check]:
    failed = [check for check in verify(session.engine, exercise=False) if not check.ok]
    yield from failed
    if not failed:
        yield Check("database schema", True, "")
    if not failed and worker is None:
        yield _months(session)
        yield from _examine_guardrails(session)
        yield from examine_registry(session, url)
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
