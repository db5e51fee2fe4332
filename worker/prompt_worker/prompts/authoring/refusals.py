"""What the database refuses of an owner, as errors that say what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2 import errorcodes

from prompt_worker.prompts.errors import PromptError

FROZEN, NOT_APPROVED = "PW001", "PW002"
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
    # Of our own functions: it quotes names and numbers, no text of a prompt.
    said = ". ".join(filter(None, (error.diag.message_primary, error.diag.message_hint)))
    match error.pgcode:
        case "PW001":
            return FrozenError(said)
        case "PW002":
            return NotApprovedError(said)
        case errorcodes.INSUFFICIENT_PRIVILEGE:
            return NotAllowedError(
                f"this login may not do that: it needs the role {role} ('GRANT {role} TO the login' gives it)"
            )
        # What a trigger or a rule of a table refuses; the row itself is in the detail.
        case errorcodes.CHECK_VIOLATION | errorcodes.UNIQUE_VIOLATION:
            return ReleaseError(said)
        case errorcodes.STRING_DATA_RIGHT_TRUNCATION:
            return ReleaseError("a name, a label, a category or a person is longer than the database keeps")
        case str() as code if code.startswith(_OURS):
            return ReleaseError(said)
    return None
