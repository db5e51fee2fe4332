"""In the middle of the demonstration an owner releases another version of a prompt."""

from __future__ import annotations

import time

from sqlalchemy import Engine

from prompt_worker.local.demo import owner
from prompt_worker.local.demo.requests import EXTRACTION
from prompt_worker.local.demo.spread import Release
from prompt_worker.platform.postgres.session import Session

# What the owner changes, back and forth where a database is kept.
CHANGE = ("one to five topics", "one to three topics")


def release(engine: Engine) -> Release:
    """Saves the text that is active with one line changed, tries it on what was executed, and activates it."""
    session = Session(engine)
    [version] = owner.save_changed(session, {EXTRACTION: CHANGE})
    activated = owner.release(session, EXTRACTION, version)
    return Release(EXTRACTION, activated.before or 0, version, time.monotonic())
