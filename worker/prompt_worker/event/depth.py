"""How deeply JSON may be nested: as far on every Python, since each stops at another depth, or nowhere."""

from __future__ import annotations

import re

# Containers around a value, the event itself among them. Python 3.11 may stop a little earlier.
DEEPEST = 1_000

# Levels that are taken off at once.
_SHALLOW = 8
# Of a text of brackets and quotes alone.
_TOKEN = re.compile(rb'"[^"]*+"?|[\[{]++|[\]}]++')
_QUOTE = ord('"')
_OTHERS = bytes(set(range(256)) - set(b'"[]{}'))


class TooDeepError(RecursionError):
    """What Python raises where it stops, so that both are handled as one."""


def check_depth(body: bytes) -> None:
    """Raises `TooDeepError` for JSON with more than `DEEPEST` containers inside each other, and for nothing else."""
    # Most have no room for so many brackets, and nearly all others cost no more than counting them.
    if len(body) <= 2 * DEEPEST or body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    # Without a list of its strings, which would take many times its memory.
    bare = body.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, _OTHERS).replace(b'""', b"")
    # Many objects beside each other: without the innermost, a few times over, nothing is left.
    left = bare
    for _ in range(_SHALLOW):
        left = left.replace(b"[]", b"").replace(b"{}", b"")
    if len(left) + 2 * _SHALLOW <= DEEPEST:
        return
    depth = 0
    for run in _TOKEN.finditer(bare):
        first = bare[run.start()]
        if first == _QUOTE:
            continue
        length = run.end() - run.start()
        depth += length if first in b"[{" else -length
        if depth > DEEPEST:
            raise TooDeepError
