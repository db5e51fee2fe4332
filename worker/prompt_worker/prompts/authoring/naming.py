"""Names of prompts and labels: what is refused before the database is asked."""

from __future__ import annotations

import re
import unicodedata

from prompt_worker.prompts.errors import PromptError, short
from prompt_worker.prompts.folder.reading import NAME_LIMIT

_LABEL = re.compile(r"[a-z][a-z0-9._-]{0,49}")
_RESERVED = {
    "latest": "it would say nothing about what was checked: move a label of your own",
    "production": "it is the active version: 'prompt-worker prompts activate' moves it",
}


class BadNameError(PromptError):
    """A name that no prompt, label or person can have."""

    exit_code = 64


def checked_name(name: str) -> str:
    """`name` as it is stored, its accents composed. Raises `BadNameError`."""
    composed = unicodedata.normalize("NFC", name)
    if problem := _problem(composed):
        raise BadNameError(f"{short(name) or 'an empty text'} is no name of a prompt: {problem}")
    return composed


def checked_label(label: str) -> str:
    """Raises `BadNameError`."""
    if label in _RESERVED:
        raise BadNameError(f"{label} is no label: {_RESERVED[label]}")
    if not _LABEL.fullmatch(label):
        raise BadNameError(
            f"{short(label) or 'an empty text'} is no label: it begins with a small letter and has small letters, "
            "digits, dots, hyphens and underscores, 50 at most; a number is a version"
        )
    return label


def _problem(name: str) -> str | None:
    parts = name.split("/")
    problems = {
        "give one such as tutor/hints": not name,
        f"it has {len(name)} characters, at most {NAME_LIMIT} are allowed": len(name) > NAME_LIMIT,
        "@ is only for a version": "@" in name,
        "it has control characters, or others that cannot be printed": not name.isprintable(),
        "no part between slashes may be empty, or begin or end with a space": any(
            part.strip() != part or not part for part in parts
        ),
        "no part between slashes may begin with a dot": any(part.startswith(".") for part in parts),
        "a backslash is not allowed": "\\" in name,
    }
    return next((problem for problem, found in problems.items() if found), None)
