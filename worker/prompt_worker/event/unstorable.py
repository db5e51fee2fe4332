"""Characters that JSON can hold and PostgreSQL cannot: NUL and lone surrogates."""

from __future__ import annotations

import re

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}".encode()
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
# With all backslashes before it: where their number is even, each is escaped by another, and what follows is text.
_ESCAPE = re.compile(rb"(?<!\\)(\\+)u(?:0000|[dD](?:(?P<high>[89abAB])|[c-fC-F])[0-9a-fA-F]{2})")
_LOW = re.compile(rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}")


def replace_unstorable(body: bytes) -> tuple[bytes, int]:
    """The JSON in `body` with U+FFFD for each such character, and how many there were."""
    if 0 not in body and not _SUSPECT.search(body):
        return body, 0
    replaced = body.count(b"\0")
    body = body.replace(b"\0", _REPLACEMENT)
    # Other escapes are not looked at one by one: a long text may have millions of line breaks.
    kept = bytearray()
    position = paired = 0
    for escape in _ESCAPE.finditer(body):
        if len(escape[1]) % 2 == 0 or escape.start() < paired:
            continue
        if escape["high"] and (low := _LOW.match(body, escape.end())):
            paired = low.end()
            continue
        kept += body[position : escape.end(1) - 1]
        kept += _REPLACEMENT
        position = escape.end()
        replaced += 1
    kept += body[position:]
    return bytes(kept), replaced
