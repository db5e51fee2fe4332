"""Characters that are written as others, for a web address, JSON or a page, or in words: as they are read."""

from __future__ import annotations

import html
import re
from urllib.parse import unquote

import numpy as np

from prompt_worker.guardrails.text.folding import Origin

# In RE2's syntax: what makes a text worth reading again.
ESCAPED_SIGN = (
    r"%[2-7C-F][0-9A-F]|\\u00[0-9A-F]{2}|\\[nrt]\d|\d\\[nrt]|&#x?[0-9A-F]{2,5};|&(?:nbsp|period|commat|hyphen);"
    r"|[\[({<][ ]?(?:at|dot|punkt)[ ]?[\])}>]|[\pL\pN] at [\pL\pN.\-]+ dot \pL"
)
# A domain in words: the last of them is a top level.
_DOMAIN = (
    r"(?:[\w-]{1,63}(?: dot |\.)){1,4}"
    r"(?:com|org|net|edu|gov|info|app|dev|example|test|(?!(?:as|at|be|by|do|he|if|in|is|it|me|my|no|of|on|or|so|to|up|us|we)\b)"
    r"[a-z]{2})\b"
)
_WORDS = {"at": "@", "dot": ".", "punkt": "."}
_ESCAPED = re.compile(
    r"(?i)(?: |%20)?[\[({<] ?(?P<bracketed>at|dot|punkt) ?[\])}>](?: |%20)?"
    r"|(?P<url>(?:%[0-9a-f]{2})+)|\\u(?P<code>00[0-9a-f]{2})|\\(?P<letter>(?-i:[nrt/]))"
    r"|(?P<entity>&(?:#x[0-9a-f]{2,5}|#[0-9]{2,6}|nbsp|period|commat|hyphen);)"
    rf"|(?<=\w) (?P<at>at) (?={_DOMAIN})|(?<=\w) (?P<dot>dot) (?=\w)"
)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "/": "/"}
ESCAPES_LIMIT = 100_000  # of one text


def unescape(text: str) -> tuple[str, Origin] | None:
    """The text as it is read, and for each of its characters, and its end, the index in `text`; None: the same."""
    parts: list[str] = []
    places: list[tuple[int, int, int]] = []  # start, end, and characters in its place
    position = 0
    for found in _ESCAPED.finditer(text):
        if len(places) >= ESCAPES_LIMIT:
            break
        plain = _plain(found)
        if plain is None:
            continue
        parts += (text[position : found.start()], plain)
        places.append((*found.span(), len(plain)))
        position = found.end()
    if not places:
        return None
    parts.append(text[position:])
    return "".join(parts), _origin(len(text), places)


def _plain(found: re.Match[str]) -> str | None:
    kind, written = found.lastgroup, found[found.lastgroup or 0]
    match kind:
        case "url":
            return unquote(written, errors="replace")
        case "code":
            return chr(int(written, 16))
        case "letter":
            return _LETTERS[written]
        case "entity":
            return html.unescape(written)
        case _:
            return _WORDS[written.lower()]


def _origin(length: int, places: list[tuple[int, int, int]]) -> Origin:
    parts: list[Origin] = []
    position = 0
    for start, end, characters in places:
        parts += (np.arange(position, start, dtype=np.int32), np.full(characters, start, dtype=np.int32))
        position = end
    parts.append(np.arange(position, length + 1, dtype=np.int32))
    return np.concatenate(parts)
