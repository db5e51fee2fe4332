"""How deeply JSON may be nested: as far on every Python, since each stops by itself at another depth, or nowhere."""

from __future__ import annotations

import re

# Containers around a value, the event itself among them. Python 3.11 may stop a little earlier.
DEEPEST = 1_000

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_OTHERS = bytes(byte for byte in range(256) if byte not in b"[]{}")
# Levels that data has which is made to be read: those that are looked at before any is counted.
_SHALLOW = 8
_BRACKETS = re.compile(rb"[\[{]++|[\]}]++")


class TooDeepError(RecursionError):
    """What Python raises where it stops by itself, so that both are handled as one."""


def check_depth(body: bytes) -> None:
    """Raises `TooDeepError` for JSON with more than `DEEPEST` containers inside each other, and for nothing else."""
    # Nearly all have fewer brackets than that, and cost no more than counting them.
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    nesting = _STRING.sub(b"", body).translate(None, _OTHERS)
    # Many objects beside each other: without the innermost, a few times over, nothing is left.
    left = nesting
    for _ in range(_SHALLOW):
        left = left.replace(b"[]", b"").replace(b"{}", b"")
    if len(left) + 2 * _SHALLOW <= DEEPEST:
        return
    depth = 0
    for run in _BRACKETS.finditer(nesting):
        length = run.end() - run.start()
        depth += length if run[0][:1] in b"[{" else -length
        if depth > DEEPEST:
            raise TooDeepError
