"""Languages as BCP 47 names them, from the narrowest to the widest."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_LONGEST = 35


def is_language(text: str) -> bool:
    return len(text) <= _LONGEST and _LANGUAGE.fullmatch(text) is not None


def chain(language: str) -> Iterator[str]:
    """`de-AT`, then `de`; each in lower case, as languages are compared."""
    parts = language.lower().split("-")
    for length in range(len(parts), 0, -1):
        yield "-".join(parts[:length])
