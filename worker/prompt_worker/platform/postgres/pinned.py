"""What every connection sets for its session, whatever the database, the role, the URL or the environment sets.

A setting that is not ours may change what a statement means: where a table is looked for, how bytes become characters,
whether triggers run. So each of these has one value here, or is refused by its name.
"""

from __future__ import annotations

from typing import Any

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, connection, cursor

from prompt_worker.platform.failures import DeploymentError

# As they are given when a session starts.
PINNED = {
    "search_path": "public,pg_temp",
    # Timestamps are shown and read as they are stored.
    "timezone": "UTC",
    "datestyle": "ISO,MDY",
    "intervalstyle": "postgres",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    "array_nulls": "on",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "transform_null_equals": "off",
    "row_security": "on",
    "xmloption": "content",
}
# As a server prints those that it prints differently.
_SHOWN = {"datestyle": "ISO, MDY"}
# Only where it is off: an event is acknowledged once it is on the disk, and stricter values are the owner's to choose.
_WHERE_OFF = {"synchronous_commit": "on"}
# What no login of ours may change, and no statement means the same without.
_REFUSED = {
    "server_encoding": ("UTF8", "it cannot hold every prompt: make a new database with ENCODING 'UTF8'"),
    "session_replication_role": ("origin", "triggers do not run: ALTER ROLE or ALTER DATABASE … RESET it"),
}
# The client's, and BEGIN names it, so that it holds behind a pooler too.
ISOLATION = "READ COMMITTED"
ENCODING = "UTF8"

_NAMES = [*PINNED, *_WHERE_OFF, *_REFUSED]
_CURRENT = "SELECT name, current_setting(name) FROM unnest(%s) AS name"


def options() -> str:
    """The pinned settings for libpq's `options`, where the last one of a name wins."""
    return " ".join(f"-c {name}={value}" for name, value in PINNED.items())


def pin(opened: connection, *, any_encoding: bool = False) -> None:
    """Call it for each new connection. Raises `DeploymentError` for a session that cannot be used, by what is wrong.

    `any_encoding`: for a migration, which refuses such a database itself, beside all else that stops it.

    What `options` could not set, behind a pooler that ignores them or against the environment's PGTZ, is set at the
    start of each transaction: so it holds on whichever connection the pooler chooses.
    """
    if opened.encoding != ENCODING:
        raise DeploymentError(f"The connection's client_encoding is {opened.encoding}: it has to be UTF8.")
    with opened.cursor() as asking:
        asking.execute(_CURRENT, (_NAMES,))
        found: dict[str, str] = dict(asking.fetchall())
    opened.rollback()
    for name, (needed, advice) in _REFUSED.items():
        if found[name] != needed and not (any_encoding and name == "server_encoding"):
            raise DeploymentError(f"The database's {name} is {found[name]}, not {needed}: {advice}.")
    if missed := _missed(found):
        opened.cursor_factory = _pinning(missed)


def _missed(found: dict[str, str]) -> dict[str, str]:
    missed = {name: value for name, value in PINNED.items() if found[name] != _SHOWN.get(name, value)}
    return missed | {name: value for name, value in _WHERE_OFF.items() if found[name] == "off"}


def _pinning(missed: dict[str, str]) -> type[cursor]:
    """A cursor that sets these at the start of each transaction."""
    begin = "; ".join(f"SET LOCAL {name} = {value}" for name, value in missed.items())

    class Pinning(cursor):
        def execute(self, query: Any, parameters: Any = None) -> None:
            self._pin()
            super().execute(query, parameters)

        def executemany(self, query: Any, parameters: Any) -> None:
            self._pin()
            super().executemany(query, parameters)

        def copy_expert(self, query: Any, file: Any, size: int = 8192) -> None:
            self._pin()
            super().copy_expert(query, file, size)

        def _pin(self) -> None:
            idle = self.connection.info.transaction_status == TRANSACTION_STATUS_IDLE
            if idle and not self.connection.autocommit:
                with psycopg2.extensions.cursor(self.connection) as setting:
                    setting.execute(begin)

    return Pinning
