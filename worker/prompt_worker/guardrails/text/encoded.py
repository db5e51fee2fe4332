"""Base64 (RFC 4648, either alphabet) inside a text: decoded, and kept where the result is readable."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

MAX_RUNS = 50  # of one text: decoding is cheap, not free
MAX_LENGTH = 100_000  # characters of a run that are decoded
_LEAST = 16  # characters of a run

_CANDIDATE = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{16,}={0,2}(?![A-Za-z0-9+/_=])")
_URL_SAFE = str.maketrans("-_", "+/")


def decoded_runs(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, decoded text) of each run of base64 in `text` that decodes to readable text."""
    tried = 0
    for run in _CANDIDATE.finditer(text):
        if run[0].isdigit() or (run[0].isalpha() and (run[0].islower() or run[0].isupper())):
            continue
        tried += 1
        if tried > MAX_RUNS:
            return
        decoded = _decode(run[0][:MAX_LENGTH])
        if decoded is not None:
            yield run.start(), run.end(), decoded


def _decode(run: str) -> str | None:
    body = run.rstrip("=").translate(_URL_SAFE)
    try:
        text = base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    readable = sum(character.isprintable() or character in "\t\r\n" for character in text)
    return text if len(text) >= _LEAST * 5 // 8 and readable >= 0.95 * len(text) else None
