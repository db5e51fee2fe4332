"""In the middle of the demonstration an owner releases another version of a prompt."""

from __future__ import annotations

import time

from psycopg2.extensions import cursor
from sqlalchemy import Engine

from prompt_worker.local.demo.requests import EXTRACTION
from prompt_worker.local.demo.spread import Release
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement

# What the owner changes, back and forth where a database is kept.
CHANGE = ("one to five topics", "one to three topics")
_NEW_VERSION = statement(__name__, "new_version")
# The one before is deactivated by it.
_ACTIVATE = "UPDATE prompt_templates SET is_active = true WHERE id = %s"


def release(engine: Engine) -> Release:
    """Makes a version of the text that is active, with one line changed, and activates it."""
    before, version = Session(engine).run(_release)
    return Release(EXTRACTION, before, version, time.monotonic())


def _release(cursor: cursor) -> tuple[int, int]:
    cursor.execute(_NEW_VERSION, {"name": EXTRACTION, "one": CHANGE[0], "other": CHANGE[1]})
    ((id_, version, before),) = cursor.fetchall()
    cursor.execute(_ACTIVATE, (id_,))
    return before, version
