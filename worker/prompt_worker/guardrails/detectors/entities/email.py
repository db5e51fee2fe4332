"""E-mail addresses: an atom (RFC 5322, 3.2.3) before the @, a domain with a top level behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from prompt_worker.guardrails.detectors.entities.entity import Entity, Found

_ADDRESS = re.compile(
    r"[\w.!#$%&'*+/=?^`{|}~-]*[\w+-]@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_][\w-]{1,23}(?![\w@])"
)
_LEADING = "'`{|}/=?!#$%&*^~.-"  # valid in an address, and far more often the punctuation before it
_BEFORE = re.compile(r"[=?&/]")
# `user:password@` of an address of a server, and git@ before the path of a repository.
_URL_BEFORE = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/@\"'<>]{0,200}\Z", re.IGNORECASE)
_PATH_AFTER = re.compile(r":[\w.~-]+/|:\d+/")


def _is_login(text: str, start: int, end: int) -> bool:
    return bool(_PATH_AFTER.match(text, end) or _URL_BEFORE.search(text[max(0, start - 220) : start]))


def _check(text: str, start: int, end: int) -> Iterator[Found]:
    for address in _ADDRESS.finditer(text, start, end):
        # In the query of a web address other parameters are before it.
        found = _BEFORE.split(address[0])[-1].lstrip(_LEADING)
        if found.startswith("@") or ".." in found:
            continue
        if not _is_login(text, address.end() - len(found), address.end()):
            yield Found(address.end() - len(found), address.end(), 1.0)


EMAIL_ADDRESS = Entity(
    name="EMAIL_ADDRESS",
    candidate=r"[\pL\pN.!#$%&'*+/=?^_`{|}~\-]{1,64}@[\pL\pN_\-.]{1,253}",
    check=_check,
    examples=("jane.doe@example.com", "jane@example.org"),
)
