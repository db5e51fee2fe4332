"""What a database refused of a migration, in a sentence."""

from __future__ import annotations

import psycopg2

_NEXT = {
    "2BP01": "Drop what depends on it, migrate again, and create it again.",
    "0A000": "Drop the view that uses it, migrate again, and create it again.",
    "42501": "Migrate as the owner of the tables.",
    "42P07": "Is this a database of phase 1? Then its schema_migrations lacks 'enterprise_prompt_system_phase1'.",
    "55P03": "Another session has held the table all this time: let it end, or end it, and migrate again.",
}


def explain(what: str, error: psycopg2.Error, *, kept: str = "") -> str:
    """A failure of `what`, a file or a step, and what to do next; holds nothing of a row.

    `kept` says what stays, where it is not nothing.
    """
    diagnosis = error.diag
    if not diagnosis.message_primary or not diagnosis.sqlstate:
        return f"{what}: the connection failed: {error}"
    parts = [f"{what}: {diagnosis.message_primary}."]
    # Details of data errors quote rows; those of all others name what is in the way.
    if diagnosis.message_detail and diagnosis.sqlstate[:2] not in ("22", "23"):
        parts.append(f"{diagnosis.message_detail.rstrip('.')}.")
    hint = diagnosis.message_hint
    # PostgreSQL's own advice is to drop what other programs need.
    if not hint or "CASCADE" in hint:
        hint = _NEXT.get(diagnosis.sqlstate, "Fix the cause and migrate again.")
    parts.append(hint)
    parts.append(kept or "Nothing of this migration was kept.")
    return " ".join(parts)
