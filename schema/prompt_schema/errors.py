"""The error of this package. A command that prints it need not load the rest."""

from __future__ import annotations


class MigrationError(Exception):
    """The schema could not be brought up to date; the message says what to do next."""

    exit_code = 1
