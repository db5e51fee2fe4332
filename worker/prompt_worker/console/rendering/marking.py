"""Characters that nobody sees, or that turn the text around them: each is written as its number.

Stored text is hostile: a name that ends in U+202E reads backwards, one with U+200B looks like another one.
"""

from __future__ import annotations

import re

# Controls but for tab and newline, formats (zero-width, bidi, tags), separators of lines, fillers that have no ink.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff0-\ufffb\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff]"
    # Joiners that join nothing: emoji and some scripts need them between two characters of their own.
    "|(?<![^\x00-\xff])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\xff])"
)


def marked(text: str) -> str:
    """The text with each such character as `⟨U+202E⟩`; newlines of Windows are newlines."""
    return _UNSEEN.sub(_number, text.replace("\r\n", "\n"))


def _number(found: re.Match[str]) -> str:
    return f"\N{MATHEMATICAL LEFT ANGLE BRACKET}U+{ord(found[0]):04X}\N{MATHEMATICAL RIGHT ANGLE BRACKET}"
