"""Failures that end a command with a sentence for its user instead of a traceback; each has an exit code.

The codes from 64 to 78 are those of sysexits.h; 130 and 141 are a shell's, for Ctrl-C and for
a closed pipe.
"""

from __future__ import annotations

from typing import ClassVar

# What each means to a script that runs prompt-worker.
EXIT_CODES = {
    0: "done",
    1: "something is wrong: a check or a migration failed, events were refused, or a violation was found",
    2: "the command line is wrong",
    64: "an argument does not match what it names",
    65: "the given content is not valid",
    66: "what the command works on does not exist or cannot be read",
    69: "the database, Pub/Sub or a local server is unavailable or lacks something",
    70: "the worker stopped: the breaker opened, since nearly all events were rejected, or the program itself failed",
    74: "a file or a standard stream cannot be read or written, as with a full disk",
    78: "settings are missing or wrong, or an extra is not installed",
    130: "interrupted",
    141: "whoever reads standard output went away",
}


class Failure(Exception):  # noqa: N818 - the base of errors, each named as one
    """Its message says what to do next, and holds no prompt text, PII or password."""

    exit_code: ClassVar[int]


class SettingsError(Failure):
    """What is wrong with the environment, one setting a line, and how to fix it."""

    exit_code = 78


class DeploymentError(Failure):
    """The database or Pub/Sub lacks something that no retry brings."""

    exit_code = 69
