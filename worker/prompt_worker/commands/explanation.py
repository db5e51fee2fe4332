"""Every expected error of the operating system, the database and the broker as one sentence and an exit code."""

from __future__ import annotations

import sys
from typing import Any

from prompt_schema.errors import MigrationError
from prompt_worker.platform.failures import DeploymentError, Failure, SettingsError

# Of `EXIT_CODES`.
ARGUMENT = 64
CONTENT = 65
IO_FAILED = 74
INTERRUPTED = 130
READER_GONE = 141


def explanation(error: BaseException, *, extra: str = "worker") -> tuple[str, int] | None:
    """What to print and the exit code; None for an error of the program itself.

    `extra` is what the command needs installed.
    """
    return _of_the_command(error, extra) or _of_a_text(error) or _of_a_service(error) or _of_the_system(error)


def _of_the_command(error: BaseException, extra: str) -> tuple[str, int] | None:
    match error:
        case Failure() | MigrationError():
            return str(error), error.exit_code
        case KeyboardInterrupt():
            return "", INTERRUPTED
        case ModuleNotFoundError():
            missing = f"{error.name} is not installed: pip install 'prompt-worker[{extra}]'"
            return missing, SettingsError.exit_code
    return None


def _of_a_text(error: BaseException) -> tuple[str, int] | None:
    match error:
        case UnicodeEncodeError():
            return "an argument is not valid text in the encoding of this terminal", ARGUMENT
        case UnicodeDecodeError():
            return f"what was read is not valid {error.encoding}: {error.reason}", CONTENT
        case OverflowError():
            return f"a number or time is out of range: {error}", ARGUMENT
    return None


def _of_a_service(error: BaseException) -> tuple[str, int] | None:
    if isinstance(error, _loaded("psycopg2", "Error")):
        return _of_the_database(error)
    if isinstance(error, _loaded("sqlalchemy.exc", "SQLAlchemyError")):
        cause = getattr(error, "orig", None)
        if isinstance(cause, _loaded("psycopg2", "Error")):
            return _of_the_database(cause)
        return f"The database failed: {type(error).__name__}.", DeploymentError.exit_code
    if isinstance(error, _loaded("google.auth.exceptions", "GoogleAuthError")):
        return (
            "no Google credentials that work: set GOOGLE_APPLICATION_CREDENTIALS, or PUBSUB_EMULATOR_HOST "
            "for the emulator",
            SettingsError.exit_code,
        )
    if isinstance(
        error, (*_loaded("google.api_core.exceptions", "GoogleAPIError"), *_loaded("grpc", "RpcError"))
    ):
        return (
            f"Pub/Sub failed: {type(error).__name__}. Is it reachable? 'prompt-worker doctor' checks it",
            DeploymentError.exit_code,
        )
    return None


def _of_the_database(error: Any) -> tuple[str, int]:
    from prompt_worker.platform.postgres.errors import explain

    explained = explain(error)
    return str(explained), explained.exit_code


def _of_the_system(error: BaseException) -> tuple[str, int] | None:
    if isinstance(error, BrokenPipeError):
        # Whoever reads standard output may stop early: no reason to say anything.
        return "", READER_GONE
    if not isinstance(error, OSError):
        return None
    named = f" {error.filename}" if error.filename else " or write a file or standard output"
    return f"cannot read{named}: {error.strerror or error}", IO_FAILED


def _loaded(module: str, name: str) -> tuple[type[BaseException], ...]:
    """A library that is not loaded raised nothing, and loading it takes time."""
    return (getattr(sys.modules[module], name),) if module in sys.modules else ()
