"""E-mail addresses: an atom (RFC 5322, 3.2.3) before the @, a domain with a top level behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from prompt_worker.guardrails.detectors.entities.entity import Entity, Found

_ADDRESS = re.compile(
    r"[\w.!#$%&'*+/=?^`{|}~-]*[\w+-]@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_][\w-]{1,23}(?![\w@])"
)
_LEADING = "'`{|}/=?!#$%&*^~.-"  # valid in an address, and far more often the punctuation before it


def _check(text: str, start: int, end: int) -> Iterator[Found]:
    for address in _ADDRESS.finditer(text, start, end):
        found = address[0].lstrip(_LEADING)
        if not found.startswith("@") and ".." not in found:
            yield address.end() - len(found), address.end(), 1.0


EMAIL_ADDRESS = Entity(
    name="EMAIL_ADDRESS",
    candidate=r"[\pL\pN.!#$%&'*+/=?^_`{|}~\-]{1,64}@[\pL\pN_\-.]{1,253}",
    check=_check,
    examples=("jane.doe@example.com", "jane@example.org"),
)
