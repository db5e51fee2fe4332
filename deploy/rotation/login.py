"""A login of the database: whether a URL of it works, and its password."""

from __future__ import annotations

from psycopg2.extensions import encrypt_password
from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from prompt_worker.platform.postgres.engine import connect


class LoginError(Exception):
    """It does not work. Holds no password."""


def prove(url: URL, role: str | None) -> None:
    """Raises `LoginError` where it does not connect, or has not `role`."""
    engine = connect(url.render_as_string(hide_password=False), application_name="prompt-worker rotation")
    try:
        with engine.connect() as connection:
            statement = text(
                "SELECT current_user, :role IS NULL OR pg_has_role(current_user, CAST(:role AS text), 'member')"
            )
            login, has_role = connection.execute(statement, {"role": role}).one()
    except SQLAlchemyError as error:
        raise LoginError(
            f"{shown(url)} does not connect: {type(error.__cause__ or error).__name__}"
        ) from None
    finally:
        engine.dispose()
    if not has_role:
        raise LoginError(f"{login} has not the role {role}: grant it, see deploy/README.md, step 4")


def set_password(url: URL, password: str) -> None:
    """The login's own, over a connection of `url`; the server is sent what it keeps, never the password itself."""
    engine = connect(url.render_as_string(hide_password=False), application_name="prompt-worker rotation")
    try:
        with engine.begin() as connection:
            driver = connection.connection.driver_connection
            kept = encrypt_password(password, str(url.username), scope=driver, algorithm="scram-sha-256")
            connection.exec_driver_sql("ALTER ROLE CURRENT_USER PASSWORD %s", (kept,))
    except SQLAlchemyError as error:
        raise LoginError(
            f"the password of {url.username} cannot be set: {type(error.__cause__ or error).__name__}"
        ) from None
    finally:
        engine.dispose()


def shown(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=True)
