"""Letters spaced out, as in "i g n o r e   a l l", and put together again."""

from __future__ import annotations

import re

from prompt_worker.guardrails.text.leet import LEET_WORD, unleet

SPACED_LIMIT = 500_000  # characters of a text in which spaced letters are put together
# Single letters with something between them.
SPACED = re.compile(r"(?<![^\W_])[^\W_](?:[ .\-_*·]{1,3}[^\W_]){3,}(?![^\W_])")

_SEPARATORS = re.compile(r"([ .\-_*·]+)")


def join_spaced(run: str) -> str:
    """The text that a match of `SPACED` spells, leet read as letters."""
    # The shortest separator is noise between letters; a longer one is a space between words, or a sign with noise.
    parts = _SEPARATORS.split(run)
    usual = min(len(separator) for separator in parts[1::2])
    joined = [
        part if index % 2 == 0 else "" if len(part) == usual else part.strip() or " "
        for index, part in enumerate(parts)
    ]
    return LEET_WORD.sub(unleet, "".join(joined))
