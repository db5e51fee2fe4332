"""Characters that JSON can hold and PostgreSQL cannot: NUL and lone surrogates."""

from __future__ import annotations

import re

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}".encode()
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
# One escape at a time, so that `\\u0000` (an escaped backslash, then text) is left alone; whole surrogate pairs first.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<bad>u0000|u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def replace_unstorable(body: bytes) -> tuple[bytes, int]:
    """The JSON in `body` with U+FFFD for each such character, and how many there were."""
    if 0 not in body and not _SUSPECT.search(body):
        return body, 0
    replaced = body.count(b"\0")

    def replace(match: re.Match[bytes]) -> bytes:
        nonlocal replaced
        if match["bad"] is None:
            return match[0]
        replaced += 1
        return _REPLACEMENT

    return _ESCAPE.sub(replace, body.replace(b"\0", _REPLACEMENT)), replaced
