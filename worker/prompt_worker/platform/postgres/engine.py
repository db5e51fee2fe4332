"""An engine from `DATABASE_URL`."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from psycopg2 import ProgrammingError
from psycopg2.extensions import connection, make_dsn
from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from prompt_worker.platform.failures import SettingsError
from prompt_worker.platform.postgres import pinned

# A statement that waits longer fails and is retried, so that no lock and no hung server holds a batch forever.
STATEMENT_TIMEOUT_MS = 30_000
LOCK_TIMEOUT_MS = 3_000
CONNECT_TIMEOUT_S = 5
WORK_MEM = "32MB"
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
FORM = "postgresql://USER:PASSWORD@HOST:5432/DATABASE or postgresql://USER:PASSWORD@/DATABASE?host=/cloudsql/INSTANCE"


def parse_url(url: str) -> URL:
    """The parsed URL, in any form that Cloud Run and Cloud SQL use: TCP, unix socket, `postgres://`, IPv6, `sslmode`.

    Raises `SettingsError`, which never holds the password.
    """
    stripped = _hosts_as_query(url.strip())
    scheme, separator, _ = stripped.partition("://")
    if not separator or not re.fullmatch(r"postgres(ql)?(\+psycopg2)?", scheme):
        raise SettingsError(f"DATABASE_URL does not start with postgresql://. Give {FORM}")
    try:
        parsed = make_url(stripped).set(drivername="postgresql+psycopg2")
        urlsplit(stripped)  # refuses a half-open IPv6 bracket
    except (ArgumentError, ValueError):
        # Both errors quote the URL.
        raise SettingsError(
            "DATABASE_URL cannot be read: is a special character in the password not percent-encoded, "
            f"or the port not a number? Give {FORM}"
        ) from None
    if not parsed.database:
        raise SettingsError(f"DATABASE_URL names no database. Give {FORM}")
    if not parsed.host and "host" not in parsed.query and "service" not in parsed.query:
        raise SettingsError(f"DATABASE_URL names no host and no socket directory. Give {FORM}")
    if re.search(r"[\s/@?#]", parsed.host or "") or "@" in parsed.database + urlsplit(stripped).query:
        raise SettingsError(
            f"DATABASE_URL has an unusable host: percent-encode special characters in the password. Give {FORM}"
        )
    _check_options(parsed)
    return parsed


def _hosts_as_query(url: str) -> str:
    """`USER@HOST1:PORT1,HOST2/DATABASE`, as libpq reads it, in the form that SQLAlchemy reads."""
    match = re.fullmatch(
        r"(\w+(?:\+\w+)?://(?:[^/?#@]*@)?)([\w.:-]+(?:,[\w.:-]+)+)(/[^?#]*)(?:\?(.*))?", url, re.DOTALL
    )
    if match is None:
        return url
    login, listed, database, query = match.groups()
    hosts = [host if ":" in host else f"{host}:5432" for host in listed.split(",")]
    return f"{login}{database}?{'&'.join([*(f'host={host}' for host in hosts), *([query] if query else [])])}"


def _check_options(parsed: URL) -> None:
    """Refuses what libpq would refuse only at the first connection, where it looks like a database that is down."""
    try:
        make_dsn(**dict.fromkeys(parsed.query, "0"))
    except ProgrammingError as error:
        raise SettingsError(f"DATABASE_URL: {str(error).strip().removeprefix('invalid dsn: ')}") from None
    if parsed.query.get("sslmode", SSL_MODES[0]) not in SSL_MODES:
        raise SettingsError(f"DATABASE_URL: sslmode is none of {', '.join(SSL_MODES)}")
    hosts = parsed.query.get("host", ())
    listed = [host.partition(":")[2] for host in hosts] if isinstance(hosts, tuple) else []
    ports = [str(parsed.port or 5432), *str(parsed.query.get("port", 5432)).split(","), *filter(None, listed)]
    if not all(re.fullmatch(r"\d{1,5}", port) and 0 < int(port) < 65536 for port in ports):
        raise SettingsError("DATABASE_URL: the port is not a number from 1 to 65535")


def connect(
    url: str,
    *,
    application_name: str,
    pool_size: int = 2,
    statement_timeout_ms: int = STATEMENT_TIMEOUT_MS,
    lock_timeout_ms: int = LOCK_TIMEOUT_MS,
    any_encoding: bool = False,
) -> Engine:
    """An engine whose connections have a name, time limits and pinned settings. Connects on first use.

    Raises `SettingsError`; connecting raises `DeploymentError` for a database that cannot be used.
    """
    parsed = parse_url(url)
    given = parsed.query.get("options", "")
    # work_mem: the triggers read a batch from memory.
    limits = f"-c statement_timeout={statement_timeout_ms} -c lock_timeout={lock_timeout_ms} -c work_mem={WORK_MEM}"
    # The user's own options override the limits, never what is pinned.
    options = (limits, given if isinstance(given, str) else " ".join(given), pinned.options())
    engine = create_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=0,
        isolation_level=pinned.ISOLATION,
        connect_args={
            "application_name": application_name,
            "client_encoding": pinned.ENCODING,
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": " ".join(filter(None, options)),
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            # Milliseconds; notices a server that is gone without closing its connections.
            "tcp_user_timeout": 10_000,
        }
        | _primary_of_several(parsed),
    )

    def pin(opened: connection, _: object) -> None:
        try:
            pinned.pin(opened, any_encoding=any_encoding)
        except BaseException:
            opened.close()
            raise

    event.listen(engine, "connect", pin)
    return engine


def _primary_of_several(parsed: URL) -> dict[str, str]:
    """Of several hosts the one that can be written to, unless the URL says which one."""
    hosts = parsed.query.get("host", ())
    several = len(hosts) > 1 if isinstance(hosts, tuple) else "," in hosts
    return (
        {"target_session_attrs": "read-write"}
        if several and "target_session_attrs" not in parsed.query
        else {}
    )
