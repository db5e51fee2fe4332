"""Who does what a command does, for the audit."""

from __future__ import annotations

import argparse
import getpass
from contextlib import suppress


def add_by(parser: argparse.ArgumentParser) -> None:
    """Read back by `who`."""
    parser.add_argument("--by", metavar="NAME", help="who does it (default: you)")


def who(options: argparse.Namespace) -> str:
    if options.by:
        return str(options.by)[:255]
    with suppress(KeyError, OSError):  # a user id that has no name
        return getpass.getuser()
    return "unknown"
