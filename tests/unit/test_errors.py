"""Each database error is the event's, the deployment's, transient or unknown; and none is described with its text."""

from __future__ import annotations

import psycopg2
import pytest
from psycopg2 import errorcodes, errors

from prompt_worker.platform.postgres.errors import Kind, classify, describe


def of(sqlstate: str) -> psycopg2.Error:
    """The error that psycopg2 raises for `sqlstate`."""

    class Raised(errors.lookup(sqlstate)):  # type: ignore[misc]
        pgcode = sqlstate

    return Raised("somebody's text")


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [
        (errorcodes.SERIALIZATION_FAILURE, "transient"),
        (errorcodes.DEADLOCK_DETECTED, "transient"),
        (errorcodes.LOCK_NOT_AVAILABLE, "transient"),
        (errorcodes.QUERY_CANCELED, "unknown"),
        (errorcodes.ADMIN_SHUTDOWN, "transient"),
        (errorcodes.CRASH_SHUTDOWN, "transient"),
        (errorcodes.CANNOT_CONNECT_NOW, "transient"),
        (errorcodes.TOO_MANY_CONNECTIONS, "transient"),
        (errorcodes.DISK_FULL, "transient"),
        (errorcodes.OUT_OF_MEMORY, "transient"),
        (errorcodes.IO_ERROR, "transient"),
        (errorcodes.READ_ONLY_SQL_TRANSACTION, "transient"),
        (errorcodes.CONNECTION_FAILURE, "transient"),
        (errorcodes.INTERNAL_ERROR, "unknown"),
        (errorcodes.RAISE_EXCEPTION, "unknown"),
        (errorcodes.INDEX_CORRUPTED, "unknown"),
        # Of another index than the primary key, which recognises duplicates.
        (errorcodes.UNIQUE_VIOLATION, "event"),
        (errorcodes.NUMERIC_VALUE_OUT_OF_RANGE, "event"),
        (errorcodes.STRING_DATA_RIGHT_TRUNCATION, "event"),
        (errorcodes.UNTRANSLATABLE_CHARACTER, "event"),
        (errorcodes.INVALID_TEXT_REPRESENTATION, "event"),
        (errorcodes.FOREIGN_KEY_VIOLATION, "event"),
        (errorcodes.CHECK_VIOLATION, "event"),
        (errorcodes.NOT_NULL_VIOLATION, "event"),
        (errorcodes.STATEMENT_TOO_COMPLEX, "event"),
        (errorcodes.PROGRAM_LIMIT_EXCEEDED, "event"),
        (errorcodes.UNDEFINED_TABLE, "deployment"),
        (errorcodes.UNDEFINED_COLUMN, "deployment"),
        (errorcodes.INSUFFICIENT_PRIVILEGE, "deployment"),
        (errorcodes.INVALID_CATALOG_NAME, "deployment"),
    ],
)
def test_every_sqlstate_has_its_kind(sqlstate: str, kind: Kind) -> None:
    assert classify(of(sqlstate)) == kind


def test_lost_connection_has_no_sqlstate_and_is_transient() -> None:
    assert classify(psycopg2.OperationalError("server closed the connection unexpectedly")) == "transient"
    assert classify(psycopg2.InterfaceError("connection already closed")) == "transient"


def test_error_description_holds_no_text_of_the_row() -> None:
    described = describe(of(errorcodes.CHECK_VIOLATION))
    assert errorcodes.CHECK_VIOLATION in described
    assert "somebody's text" not in described
