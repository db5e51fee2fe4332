"""What a request asks for, in its query and its headers."""

from __future__ import annotations

import math
import re
from typing import NamedTuple
from urllib.parse import parse_qsl

LONGEST_WAIT = 60.0
_AFTER = re.compile(r"(?:(?P<epoch>[1-9][0-9]{0,9}):)?(?P<revision>[0-9]{1,19})")
_GZIP = re.compile(r"\s*(?:gzip|x-gzip|\*)\s*(?:;\s*q\s*=\s*(?P<weight>[0-9.]+)\s*)?", re.IGNORECASE)


class BadQueryError(ValueError):
    """Says what is expected; quotes nothing of the request."""


class After(NamedTuple):
    """The state that a client has, and for how many seconds a later one may be awaited. `epoch` None: any."""

    epoch: int | None
    revision: int
    wait: float

    def has(self, epoch: int, revision: int) -> bool:
        """Whether that state is no news; another instance may have told the client of a later one."""
        if self.epoch is None:
            return revision <= self.revision
        return (epoch, revision) <= (self.epoch, self.revision)


def read_query(query: bytes) -> After | None:
    """None asks for the document. Other parameters are ignored. Raises `BadQueryError`."""
    found: dict[str, str] = {}
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise BadQueryError("the query cannot be read") from None
    for name, value in pairs:
        if name in ("after", "wait") and name in found:
            raise BadQueryError(f"{name} is given twice")
        found[name] = value
    if "after" not in found:
        if "wait" in found:
            raise BadQueryError("wait needs after: the revision that you have")
        return None
    after = _AFTER.fullmatch(found["after"])
    if after is None:
        raise BadQueryError("after must be a revision, such as 42, or its epoch and it, such as 1:42")
    epoch = int(after["epoch"]) if after["epoch"] else None
    return After(epoch, int(after["revision"]), _read_wait(found.get("wait", "0")))


def _read_wait(given: str) -> float:
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= LONGEST_WAIT:
        raise BadQueryError(f"wait must be seconds, from 0 to {LONGEST_WAIT:.0f}")
    return seconds


def accepts_gzip(accept_encoding: bytes) -> bool:
    for coding in accept_encoding.decode("latin-1").split(","):
        if (found := _GZIP.fullmatch(coding)) is not None:
            return found["weight"] is None or found["weight"].strip("0.") != ""
    return False


def has_etag(if_none_match: bytes, *etags: bytes) -> bool:
    """Whether a client has one of these already; compared weakly, as RFC 9110 asks."""
    given = {each.strip().removeprefix(b"W/") for each in if_none_match.split(b",")}
    return b"*" in given or not given.isdisjoint(etags)
