"""What the database refuses of an owner, as errors that say what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2 import errorcodes

from prompt_worker.prompts.errors import PromptError

# Of the class that the migrations raise.
_OURS = "PW"


class ReleaseError(PromptError):
    """A change of what is served that is refused; nothing was changed."""

    exit_code = 1


class FrozenError(PromptError):
    """A version that was served, approved or labelled does not change."""

    exit_code = 64


class NotApprovedError(ReleaseError):
    """The version lacks approvals that its name's or category's policy needs."""


class NotAllowedError(PromptError):
    """The login lacks a role."""

    exit_code = 69


_KINDS: dict[str, type[PromptError]] = {
    "PW001": FrozenError,
    "PW002": NotApprovedError,
    # What a trigger or a rule of a table refuses.
    errorcodes.CHECK_VIOLATION: ReleaseError,
    errorcodes.UNIQUE_VIOLATION: ReleaseError,
}


@contextmanager
def refusals(role: str) -> Iterator[None]:
    """Turns what the database refuses into these errors; `role` is what the work needs. Others pass."""
    try:
        yield
    except psycopg2.Error as error:
        refused = _refused(error, role)
        if refused is None:
            raise
        raise refused from None


def _refused(error: psycopg2.Error, role: str) -> PromptError | None:
    # Of our own functions and tables: it quotes names and numbers; a row itself would be in the detail.
    said = ". ".join(filter(None, (error.diag.message_primary, error.diag.message_hint)))
    code = error.pgcode or ""
    if code == errorcodes.INSUFFICIENT_PRIVILEGE:
        return NotAllowedError(
            f"this login may not do that: it needs the role {role} ('GRANT {role} TO the login' gives it)"
        )
    if code == errorcodes.STRING_DATA_RIGHT_TRUNCATION:
        return ReleaseError("a name, a label, a category or a person is longer than the database keeps")
    if code in _KINDS:
        return _KINDS[code](said)
    return ReleaseError(said) if code.startswith(_OURS) else None
