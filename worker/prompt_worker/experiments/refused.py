"""What the table's own rules refuse, as an error with a sentence for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg2
from psycopg2.extensions import cursor

from prompt_worker.experiments.errors import ExperimentError

# Of triggers: an arm without approvals; what has started is decided; arms that cannot be; two experiments on one name.
_REFUSED = ("PW002", "PW010", "PW011", "PW012")


def changed(cursor: cursor, statement: str, parameters: Mapping[str, Any], name: str) -> list[Any]:
    """The rows that `statement` returns. Raises `ExperimentError` for what the table's own rules refuse."""
    try:
        cursor.execute(statement, parameters)
    except psycopg2.errors.UniqueViolation as error:
        raise ExperimentError(f"an experiment is named {name[:100]} already: choose another name") from error
    except psycopg2.Error as error:
        if error.pgcode not in _REFUSED:
            raise
        hint = error.diag.message_hint
        raise ExperimentError(f"{error.diag.message_primary}{f': {hint}' if hint else ''}") from error
    return cursor.fetchall() if cursor.description else []
