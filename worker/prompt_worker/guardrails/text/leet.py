"""Leet: digits and signs in place of the letters they look like, as in "1gn0re th1s"."""

from __future__ import annotations

import re

from prompt_worker.guardrails.text.confusables import LEET

LEET_LIMIT = 100_000  # words of a text that are read as leet
LEET_SIGN = r"[0134578@$!|][A-Za-z]|[A-Za-z][$@]"
LEET_WORD = re.compile(rf"(?<![A-Za-z0134578@$!|])[A-Za-z0134578@$!|]*?(?:{LEET_SIGN})[A-Za-z0134578@$!|]*")

_SIGN = re.compile(LEET_SIGN)
_BEFORE = 30  # characters of a word that may precede the first such sign
_TAIL = re.compile(r"[!|0-9]+$")  # "Stop!" and "covid19" are not leet


def unleet(word: re.Match[str]) -> str:
    """A match of `LEET_WORD` with its signs read as letters; as long as the word."""
    text = word[0]
    sign = _SIGN.search(text)
    if sign is None or text.isalpha():
        return text
    before = text[: max(0, sign.start() - _BEFORE)]
    text = text[len(before) :]
    tail = _TAIL.search(text)
    body = text[: tail.start()] if tail else text
    return before + body.translate(LEET) + text[len(body) :]
